"""Batches on their way to a card: copied from pinned memory while the batch before is still being trained on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch

from distilpose.data.normalise import normalised
from distilpose.data.stream import Batch

AHEAD = 2  # steps that the processor may be ahead of the card, each with a batch in the card's memory


class Uploader:
    """Brings batches to the device, normalised there where they are not yet, pictures in channels-last memory.

    On a card each is copied and normalised on a stream of its own, so that the processor need not wait and the card
    goes on with the step before. What a batch holds is the same on every device, to the bit.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __call__(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, there."""
        if self._copying is None:
            yield from (_there(batch, self._device) for batch in batches)
            return
        training = torch.cuda.current_stream(self._device)
        trained: deque[torch.cuda.Event] = deque()
        for batch in batches:
            if len(trained) == AHEAD:
                trained.popleft().synchronize()
            with torch.cuda.stream(self._copying):
                pinned = (tensor if tensor.is_cuda else tensor.pin_memory() for tensor in batch)
                there = _there(Batch(*pinned), self._device)
            training.wait_stream(self._copying)
            for tensor in there:  # or its memory would be given away while training still reads it
                tensor.record_stream(training)
            yield there
            trained.append(training.record_event())


def _there(batch: Batch, device: torch.device) -> Batch:
    batch = Batch(*(tensor.to(device, non_blocking=True) for tensor in batch))
    images = normalised(batch.images) if batch.images.dtype == torch.uint8 else batch.images
    return batch._replace(images=images.contiguous(memory_format=torch.channels_last))
