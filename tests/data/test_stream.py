"""A stream is a pure function of (seed, epoch, step), whatever its workers and cache."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD
from distilpose.data.sources import PicturesInMemory
from distilpose.data.stream import Batch, PeopleStream, eval_batches
from distilpose.data.transforms import crop_matrices, padded_boxes, read_rgb, warp

SIZE = (24, 32)
# few joints are enough, so that halves are taken too
BUSY = Augmentation(half_body_joints=4, shift=0.1, shift_draw="sample")


@pytest.fixture
def data(people) -> PoseData:
    return load_pose_data(people, "train")


def stream(data: PoseData, **options) -> PeopleStream:
    settings = {"input_size": SIZE, "augmentation": BUSY, "seed": 3, "batch_size": 2} | options
    return PeopleStream(data, **settings)


def assert_same(a: Iterable[Batch], b: Iterable[Batch]) -> None:
    for one, other in zip(a, b, strict=True):
        for left, right in zip(one, other, strict=True):
            assert torch.equal(left, right)


def test_shapes_and_types(data):
    batch = next(stream(data).epoch(0))
    assert batch.images.shape == (2, 3, 32, 24)
    assert batch.keypoints.shape == (2, 17, 2)
    assert batch.visible.shape == batch.labelled.shape == (2, 17)
    assert batch.center.shape == batch.scale.shape == (2, 2)
    assert batch.index.dtype == torch.int64
    assert {t.dtype for t in batch} - {torch.int64} == {torch.float32}
    assert batch.images.is_contiguous()


def test_a_resumed_epoch_goes_on_as_the_uninterrupted_one(data):
    whole = list(stream(data).epoch(5))
    for start in range(4):
        assert_same(stream(data).epoch(5, start), whole[start:])


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_and_cache_change_nothing(data, workers):
    whole = list(stream(data).epoch(1))
    assert_same(stream(data, workers=workers, cache="ram").epoch(1), whole)
    assert_same(stream(data, workers=workers).epoch(1, 1), whole[1:])


def test_a_persons_augmentation_does_not_depend_on_the_batch_size(data):
    crops = {}
    for size in (1, 2, 7):
        for batch in stream(data, batch_size=size).epoch(2):
            for index, image in zip(batch.index.tolist(), batch.images, strict=True):
                assert torch.equal(crops.setdefault(index, image), image)
    assert sorted(crops) == list(range(7))


def test_the_shares_of_several_processes_make_up_the_batch_of_one(data):
    shares = [stream(data, batch_size=6, cards=3, share=(rank, 3)).epoch(4) for rank in range(3)]
    for whole, *parts in zip(stream(data, batch_size=6, cards=3).epoch(4), *shares, strict=True):
        for rank, part in enumerate(parts):
            assert_same([part], [Batch(*(tensor[rank::3] for tensor in whole))])


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"batch_size": 5, "share": (0, 2)}, "5 people cannot be shared evenly by 2"),
        ({"batch_size": 6, "share": (0, 3), "cards": 2}, "2 cards cannot be shared evenly by 3"),
        ({"batch_size": 6, "cards": 4}, "must have equally many people each, got 4 cards for 6 people"),
        ({"share": (2, 2)}, "0 <= rank < size"),
    ],
)
def test_a_share_that_cannot_be_is_refused(data, options, rule):
    with pytest.raises(ValueError, match=rule):
        stream(data, **options)


@pytest.mark.parametrize(("cards", "size"), [(3, 1), (3, 3), (1, 3)])
def test_the_last_batch_is_filled_up_by_the_first_people_until_every_card_has_equally_many(data, cards, size):
    plain = [i for batch in stream(data, batch_size=6).epoch(4) for i in batch.index.tolist()]
    assert len(plain) == 7
    shares = [stream(data, batch_size=6, cards=cards, share=(rank, size)).epoch(4) for rank in range(size)]
    *_, last = zip(*shares, strict=True)
    assert [len(part.index) for part in last] == [3 // size] * size
    assert torch.cat([part.index for part in last]).tolist() == [plain[6], *plain[:2]]


def test_an_offset_drawn_once_is_the_same_in_every_epoch_and_after_a_resume(data):
    once = Augmentation(flip=0, half_body=0, scale=0, rotation=0, shift=0.2, shift_p=0.7)
    plain = stream(data, augmentation=None)
    options = {"augmentation": once, "batch_size": 3}

    def offsets(batches: Iterable[Batch]) -> dict[int, tuple[float, ...]]:
        boxes = {i: center for b in plain.epoch(0) for i, center in zip(b.index.tolist(), b.center, strict=True)}
        return {
            i: tuple((center - boxes[i]).tolist())
            for b in batches
            for i, center in zip(b.index.tolist(), b.center, strict=True)
        }

    first = offsets(stream(data, **options).epoch(0))
    assert 0 < sum(any(offset) for offset in first.values()) < 7
    assert offsets(stream(data, **options, workers=2).epoch(5)) == first
    assert offsets(stream(data, **options).epoch(5, 2)).items() <= first.items()
    assert offsets(stream(data, **options, seed=4).epoch(0)) != first


def test_an_offset_drawn_for_every_sample_differs_between_epochs(data):
    anew = Augmentation(flip=0, half_body=0, scale=0, rotation=0, shift=0.16, shift_p=1, shift_draw="sample")
    first, second = (torch.cat([b.center for b in stream(data, augmentation=anew).epoch(n)]) for n in (0, 1))
    assert not torch.equal(first.sort(0).values, second.sort(0).values)


def test_epochs_and_seeds_differ(data):
    first = torch.cat([b.images for b in stream(data).epoch(0)])
    assert not torch.equal(first, torch.cat([b.images for b in stream(data).epoch(1)]))
    assert not torch.equal(first, torch.cat([b.images for b in stream(data, seed=4).epoch(0)]))


def test_the_last_batch_of_an_epoch_is_smaller_and_may_be_dropped_unless_it_is_the_only_one(data):
    assert [len(batch.index) for batch in stream(data).epoch(0)] == [2, 2, 2, 1]
    assert [len(batch.index) for batch in stream(data, drop_last=True).epoch(0)] == [2, 2, 2]
    small = stream(data, batch_size=16, drop_last=True)
    assert small.steps_per_epoch == 1
    assert len(next(small.epoch(0)).index) == 7


def test_an_epoch_shows_everyone_once(data):
    seen = [i for batch in stream(data).epoch(0) for i in batch.index.tolist()]
    assert sorted(seen) == list(range(7))
    assert seen != sorted(seen)


def test_evaluation_is_ordered_and_plain(data):
    batches = list(eval_batches(data, input_size=SIZE, batch_size=3))
    assert [b.index.tolist() for b in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    person = data.people[4]
    box = padded_boxes(np.array([person.bbox]), SIZE)
    crop = warp(read_rgb(str(person.image)), crop_matrices(box, np.array([60]), SIZE)[0], SIZE)
    expected = (crop / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(batches[1].images[1].permute(1, 2, 0), expected, atol=1e-5)
    # back from the crop to the picture, as evaluation goes
    center, size = batches[1].center[1].numpy(), batches[1].scale[1].numpy()
    np.testing.assert_allclose(
        batches[1].keypoints[1].numpy() * size + center - size / 2, person.keypoints[:, :2], atol=1e-3
    )
    assert_same(eval_batches(data, input_size=SIZE, batch_size=3, workers=2, cache="ram"), batches)


def test_without_augmentation_the_order_is_still_drawn(data):
    plain = {i: image for b in eval_batches(data, input_size=SIZE, batch_size=7) for i, image in enumerate(b.images)}
    for batch in stream(data, augmentation=None).epoch(0):
        for index, image in zip(batch.index.tolist(), batch.images, strict=True):
            assert torch.equal(image, plain[index])


def test_a_shared_source_keeps_pictures_between_streams(data, people):
    source = PicturesInMemory()
    before = list(eval_batches(data, input_size=SIZE, batch_size=4, cache=source))
    (people / "images" / "train" / "003.jpg").unlink()
    assert_same(eval_batches(data, input_size=SIZE, batch_size=4, cache=source), before)
    with pytest.raises(DataError, match=r"003\.jpg"):
        list(eval_batches(data, input_size=SIZE, batch_size=4, workers=2))


def test_a_picture_of_another_size_than_its_record_is_refused(people, edit):
    edit(lambda p: p["images"][0].update(width=61))
    with pytest.raises(DataError, match=r"001\.jpg: must be \(61, 80\)"):
        list(eval_batches(load_pose_data(people, "train"), input_size=SIZE, batch_size=4))


def test_an_abandoned_epoch_stops_its_workers(data):
    batches = stream(data, workers=2).epoch(0)
    next(batches)
    batches.close()
    assert list(itertools.islice(stream(data, workers=2).epoch(0), 1))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"seed": -1}, "seed"),
        ({"cache": "disk"}, "cache"),
        ({"input_size": (4, 64)}, "input_size"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(data, wrong, field):
    with pytest.raises(ValueError, match=field):
        stream(data, **wrong)
    with pytest.raises(ValueError, match="start_step"):
        stream(data).epoch(0, 5)
