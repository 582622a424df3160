"""What a file of weights says of its model."""

import json

import pytest

from distilpose.data.skeleton import COCO, Skeleton
from distilpose.models.description import Description, description_from_metadata

FOUR = Skeleton(
    names=("head", "left hand", "right hand", "tail"),
    limbs=((0, 1), (0, 2), (0, 3)),
    flip_pairs=((1, 2),),
    sigmas=(0.05, 0.06, 0.06, 0.1),
    upper_body=(0, 1),
)


@pytest.mark.parametrize("skeleton", [COCO, FOUR, None])
def test_a_description_is_read_as_it_was_written(skeleton: Skeleton | None) -> None:
    joints = 4 if skeleton is None else skeleton.num_joints
    options = {"joints": joints, "input_size": (48, 64), "patch": (2, 2), "score": True, "sigma": False}
    written = Description(model="distilpose_s", options=options, skeleton=skeleton)
    assert description_from_metadata(written.to_metadata(), "a.safetensors") == written


def test_metadata_without_a_model_describe_nothing() -> None:
    assert description_from_metadata({"format": "pt"}, "a.safetensors") is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"options": "{"},
        {"options": "[]"},
        {"options": json.dumps({"joints": "17"})},
        {"options": json.dumps({"generator": 3})},
        {"options": json.dumps({"patch": [1, 2, 3]})},
        {"skeleton": "[]"},
        {"skeleton": json.dumps({"keypoints": ["nose", "nose"]})},
    ],
)
def test_malformed_metadata_are_refused_by_the_files_name(metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^a\.safetensors: "):
        description_from_metadata({"model": "distilpose_s", **metadata}, "a.safetensors")
