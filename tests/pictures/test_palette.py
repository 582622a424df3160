import numpy as np
import pytest

from distilpose.pictures.palette import heat, limb_side, short_name, side_of


@pytest.mark.parametrize(
    ("name", "side"),
    [("left_knee", "left"), ("Right Ankle", "right"), ("r_wrist", "right"), ("L-hip", "left"), ("nose", "middle"),
     ("lower_lip", "middle"), ("rightmost", "middle")],
)  # fmt: skip
def test_the_side_is_read_from_whole_words_of_the_name(name, side):
    assert side_of(name) == side


def test_a_limb_across_the_body_is_in_the_middle():
    names = ("left_hip", "right_hip", "left_knee")
    assert limb_side(names, (0, 2)) == "left"
    assert limb_side(names, (0, 1)) == "middle"


@pytest.mark.parametrize(
    ("name", "short"), [("left_shoulder", "L shoulder"), ("head_top", "head top"), ("nose", "nose")]
)
def test_names_are_shortened_to_a_letter_of_the_side(name, short):
    assert short_name(name) == short


def test_heat_grows_from_black_to_bright_and_clips():
    colours = heat(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]]))[0].astype(int)
    brightness = colours.sum(-1)
    assert brightness[0] == brightness[1] < brightness[2] < brightness[3] == brightness[4]
