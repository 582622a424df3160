"""Crops that are normalised where they are trained on are those that the processor normalises."""

import torch

from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import load_pose_data
from distilpose.data.stream import Batch, PeopleStream
from distilpose.data.upload import Uploader

CPU = torch.device("cpu")


def batches(people, **options: bool) -> list[Batch]:
    data = load_pose_data(people, "train")
    return list(
        PeopleStream(data, input_size=(24, 32), augmentation=Augmentation(), seed=0, batch_size=2, **options).epoch(0)
    )


def test_raw_crops_arrive_as_those_that_were_normalised_before(people):
    raw = batches(people, raw=True)
    assert {batch.images.dtype for batch in raw} == {torch.uint8}
    arrived = list(Uploader(CPU)(raw))
    for there, before in zip(arrived, batches(people), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(there, before, strict=True))
        assert there.images.dtype == torch.float32


def test_pictures_arrive_in_channels_last_memory(people):
    for sent in (batches(people), batches(people, raw=True)):
        for there in Uploader(CPU)(sent):
            assert there.images.is_contiguous(memory_format=torch.channels_last)
