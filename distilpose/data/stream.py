"""Batches of crops: a training stream that is a pure function of (seed, epoch, step), and evaluation in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import PoseData
from distilpose.data.errors import DataError
from distilpose.data.normalise import normalise
from distilpose.data.sources import ImageSource, image_source
from distilpose.data.transforms import (
    Boxes,
    augmented_boxes,
    crop_joints,
    crop_matrices,
    draw,
    moved_once,
    padded_boxes,
    warp,
)

_ORDER, _AUGMENTATION, _ONCE = 0, 1, 2

# one thread a call: parallelism comes from `workers`, and OpenCV's own threads fight the model's
cv2.setNumThreads(0)


class Batch(NamedTuple):
    """Crops of people and where their joints are."""

    images: Float[Tensor, "batch 3 height width"] | UInt8[Tensor, "batch 3 height width"]
    """RGB, ImageNet-normalised; or as they are, 0 to 255, which an `Uploader` normalises."""
    keypoints: Float[Tensor, "batch joints 2"]
    """(x, y) in [0, 1] of the crop; 0 where unlabelled, outside [0, 1] where outside the crop."""
    visible: Float[Tensor, "batch joints"]
    """1 where labelled and inside [0, W - 1] x [0, H - 1] of the crop, else 0."""
    index: Int64[Tensor, " batch"]  # type: ignore[assignment]  # the tuple method of that name is not needed
    """Position in `PoseData.people`."""
    center: Float[Tensor, "batch 2"]
    """Centre of the crop in image pixels (of the mirrored picture where it was mirrored)."""
    scale: Float[Tensor, "batch 2"]
    """Image-pixel (width, height) that the crop shows: the padded box; mmpose's scale is this over 200."""
    labelled: Float[Tensor, "batch joints"]
    """1 where labelled, inside the crop or not; `heatmap_weights` needs it."""


class _Table:
    """The people of a split as arrays."""

    def __init__(self, data: PoseData) -> None:
        self.skeleton = data.skeleton
        self.paths = [person.image for person in data.people]
        self.sizes = [person.image_size for person in data.people]
        self.widths = np.array([size[0] for size in self.sizes], np.float64)
        self.bboxes = np.array([person.bbox for person in data.people], np.float64).reshape(-1, 4)
        self.keypoints = np.stack([person.keypoints for person in data.people])


class PeopleStream:
    """Training batches: `epoch(n)` gives those of epoch n, from any step on.

    The order of an epoch comes from (seed, epoch); what happens to person i in it comes from (seed, epoch, i), and what
    is drawn once for all epochs from (seed, i). So a stream resumed at a step gives what the uninterrupted one gives,
    whatever `workers` (threads; decoding and warping release the interpreter) and `cache` are.

    Args:
        data: the split.
        input_size: (width, height) of the crops.
        augmentation: None for plain crops, still shuffled.
        seed: of order and augmentation.
        batch_size: people in a batch.
        workers: threads that prepare batches ahead; 0 prepares them in the caller.
        cache: 'ram' keeps decoded pictures; or an `ImageSource` to share, such as a `PictureStore`.
        drop_last: leave out the last batch where it is smaller, unless the split itself is smaller than a batch.
        share: (rank, size) of one of several processes that train together: it gets every size-th person of each batch
            from the rank-th on, so that the batches of all make up the batch of one.
        cards: the last batch is filled up with the first people of the epoch until each of so many cards, or of the
            processes, has equally many, as PyTorch's DistributedSampler does.
        raw: leave crops as they are, a quarter of the bytes, for an `Uploader` to normalise on a card.
    """

    def __init__(
        self,
        data: PoseData,
        *,
        input_size: tuple[int, int],
        augmentation: Augmentation | None,
        seed: int,
        batch_size: int,
        workers: int = 0,
        cache: Literal["none", "ram"] | ImageSource = "none",
        drop_last: bool = False,
        share: tuple[int, int] = (0, 1),
        cards: int = 1,
        raw: bool = False,
    ) -> None:
        _check(input_size, batch_size, workers)
        _check_share(share, batch_size, cards)
        if seed < 0:
            raise ValueError(f"seed: at least 0, got {seed}")
        self._table = _Table(data)
        if augmentation is not None:
            self._table.bboxes = moved_once(self._table.bboxes, augmentation, _generator(seed, 0, _ONCE))
        self._input_size = input_size
        self._augmentation = augmentation
        self._seed = seed
        self._batch_size = batch_size
        self._workers = workers
        self._share = share
        self._evenly = max(cards, share[1])
        self._raw = raw
        self._source = image_source(cache)
        whole, rest = divmod(len(data.people), batch_size)
        self.steps_per_epoch: int = whole + (1 if rest and (not drop_last or whole == 0) else 0)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches `start_step`, `start_step + 1`, ... of an epoch counted from 0."""
        if epoch < 0 or not 0 <= start_step <= self.steps_per_epoch:
            raise ValueError(f"epoch {epoch}, start_step {start_step}: an epoch has steps 0 to {self.steps_per_epoch}")
        table, people = self._table, len(self._table.paths)
        rank, size = self._share
        order = _generator(self._seed, epoch, _ORDER).permutation(people)
        order = np.resize(order, -(-people // self._evenly) * self._evenly)
        # the whole epoch's decisions are drawn at once: row i is person i's, whichever step it falls in
        drawn = None
        if self._augmentation is not None:
            drawn = draw(self._augmentation, people, _generator(self._seed, epoch, _AUGMENTATION))

        def make(step: int) -> Batch:
            rows = order[step * self._batch_size : (step + 1) * self._batch_size][rank::size]
            if drawn is None or self._augmentation is None:
                boxes = padded_boxes(table.bboxes[rows], self._input_size)
            else:
                boxes = augmented_boxes(
                    table.bboxes[rows],
                    table.keypoints[rows],
                    table.widths[rows],
                    drawn.of(rows),
                    skeleton=table.skeleton,
                    input_size=self._input_size,
                    half_body_joints=self._augmentation.half_body_joints,
                )
            return _batch(table, rows, boxes, self._input_size, self._source, raw=self._raw)

        return _ordered(make, range(start_step, self.steps_per_epoch), self._workers)


def _generator(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, purpose])))


def eval_batches(
    data: PoseData,
    *,
    input_size: tuple[int, int],
    batch_size: int,
    workers: int = 0,
    cache: Literal["none", "ram"] | ImageSource = "none",
) -> Iterator[Batch]:
    """Every person of the split once, in order, unaugmented; the last batch may be smaller."""
    _check(input_size, batch_size, workers)
    table = _Table(data)
    source = image_source(cache)
    people = len(table.paths)

    def make(step: int) -> Batch:
        rows = np.arange(step * batch_size, min((step + 1) * batch_size, people))
        return _batch(table, rows, padded_boxes(table.bboxes[rows], input_size), input_size, source)

    return _ordered(make, range(-(-people // batch_size)), workers)


def _check(input_size: tuple[int, int], batch_size: int, workers: int) -> None:
    if len(input_size) != 2 or min(input_size) < 8:
        raise ValueError(f"input_size: (width, height), at least 8 each, got {input_size}")
    if batch_size < 1:
        raise ValueError(f"batch_size: at least 1, got {batch_size}")
    if workers < 0:
        raise ValueError(f"workers: at least 0, got {workers}")


def _check_share(share: tuple[int, int], batch_size: int, cards: int) -> None:
    rank, size = share
    if not 0 <= rank < size:
        raise ValueError(f"share: (rank, size) with 0 <= rank < size, got {share}")
    if batch_size % size:
        raise ValueError(f"batch_size: {batch_size} people cannot be shared evenly by {size} processes")
    if batch_size % cards:
        raise ValueError(f"cards: must have equally many people each, got {cards} cards for {batch_size} people")
    if cards > 1 and cards % size:
        raise ValueError(f"cards: {cards} cards cannot be shared evenly by {size} processes")


def _batch(
    table: _Table,
    rows: Int64[ndarray, " batch"],
    boxes: Boxes,
    input_size: tuple[int, int],
    source: ImageSource,
    *,
    raw: bool = False,
) -> Batch:
    matrices = crop_matrices(boxes, table.widths[rows], input_size)
    joints = crop_joints(table.keypoints[rows], matrices, boxes.flip, skeleton=table.skeleton, input_size=input_size)
    crops = _cut((_picture(table, row, source) for row in rows.tolist()), matrices, input_size)
    return Batch(
        images=torch.from_numpy(crops.transpose(0, 3, 1, 2) if raw else _normalised(crops)),
        keypoints=torch.from_numpy(joints.keypoints),
        visible=torch.from_numpy(joints.visible),
        index=torch.from_numpy(rows.astype(np.int64)),
        center=torch.from_numpy(boxes.center.astype(np.float32)),
        scale=torch.from_numpy(boxes.size.astype(np.float32)),
        labelled=torch.from_numpy(joints.labelled),
    )


def _picture(table: _Table, row: int, source: ImageSource) -> UInt8[ndarray, "rows columns 3"]:
    image = source.read(table.paths[row])
    if image.shape[1::-1] != table.sizes[row]:
        raise DataError(
            f"{table.paths[row]}: must be {table.sizes[row]} (width, height) as its annotation says, "
            f"is {image.shape[1::-1]}; `distilpose data check` lists every problem"
        )
    return image


def _cut(
    pictures: Iterable[UInt8[ndarray, "rows columns 3"]],
    matrices: Float[ndarray, "batch 2 3"],
    input_size: tuple[int, int],
) -> UInt8[ndarray, "batch height width 3"]:
    """The crops: one picture at a time, so that no more than one need be in memory."""
    crops = np.empty((len(matrices), input_size[1], input_size[0], 3), np.uint8)
    for image, matrix, into in zip(pictures, matrices, crops, strict=True):
        warp(image, matrix, input_size, into)
    return crops


def _normalised(crops: UInt8[ndarray, "batch height width 3"]) -> Float32[ndarray, "batch 3 height width"]:
    batch, height, width, _ = crops.shape
    images = np.empty((batch, 3, height, width), np.float32)
    for crop, into in zip(crops, images, strict=True):
        normalise(crop, into)
    return images


def _ordered(make: Callable[[int], Batch], steps: range, workers: int) -> Iterator[Batch]:
    """make(step) for every step in order, prepared by `workers` threads ahead of time."""
    if workers == 0:
        yield from map(make, steps)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="people")
    ahead: deque[Future[Batch]] = deque()
    try:
        for step in steps:
            ahead.append(pool.submit(make, step))
            if len(ahead) > workers + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
