"""Batches that are copied while the card is busy arrive whole, and stay while training reads them."""

from collections.abc import Iterator

import pytest
import torch

from distilpose.data.normalise import normalised
from distilpose.data.stream import Batch
from distilpose.data.upload import Uploader

pytestmark = pytest.mark.gpu

STEPS, PEOPLE = 30, 64


def raw_batches(device: str) -> Iterator[Batch]:
    """Batches of the papers' size on a card, each of other pictures."""
    height, width = (256, 192) if device == "cuda" else (16, 12)
    for step in range(STEPS):
        draw = torch.Generator().manual_seed(step)
        crops = torch.randint(0, 256, (PEOPLE, height, width, 3), dtype=torch.uint8, generator=draw).permute(0, 3, 1, 2)
        joints = torch.rand(PEOPLE, 17, generator=draw)
        boxes = torch.rand(PEOPLE, 2, generator=draw)
        yield Batch(crops, torch.stack([joints, joints], 2), joints, torch.arange(PEOPLE), boxes, boxes, joints)


def test_what_training_reads_late_is_what_was_sent(device: str) -> None:
    busy = torch.rand(2048 if device == "cuda" else 32, device=device).diag()
    read: list[tuple[torch.Tensor, ...]] = []
    for batch in Uploader(torch.device(device))(raw_batches(device)):
        for _ in range(20):  # so that the card is behind the processor
            busy = busy @ busy
        read.append(tuple(tensor.clone() for tensor in batch))
        del batch
        torch.full((PEOPLE, 3, 256, 192), torch.nan, device=device)  # takes memory that was given back too early
    for sent, found in zip(raw_batches(device), read, strict=True):
        wanted = sent._replace(images=normalised(sent.images))
        assert all(torch.equal(one, other.cpu()) for one, other in zip(wanted, found, strict=True))
