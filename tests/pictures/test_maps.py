import numpy as np
import pytest

from distilpose.data.skeleton import COCO, Skeleton
from distilpose.pictures.crops import dimmed
from distilpose.pictures.maps import attention_picture, heatmap_picture, peak_over_even, telling_joints, token_grid

CROP = np.full((160, 120, 3), 60, np.uint8)


def test_even_attention_is_an_even_tint():
    picture = attention_picture(CROP, np.full((4, 4), 1 / 16), None, None)
    assert (picture == picture[0, 0]).all()
    assert (picture[0, 0] != dimmed(CROP)[0, 0]).any()


def test_a_patch_has_one_colour_and_an_edge():
    attention = np.full((4, 4), 1 / 32)
    attention[1, 2] = 1 / 2
    picture = attention_picture(CROP, attention, None, None)
    patch = picture[40:80, 60:90]
    assert (patch == patch[0, 0]).all()
    assert (picture[39, 60] != patch[0, 0]).any()
    assert (picture[40, 59] != patch[0, 0]).any()


def test_attention_a_little_above_even_is_fainter_than_much():
    little, much = np.full((4, 4), 1 / 16), np.full((4, 4), 1 / 32)
    little[1, 1], much[1, 1] = 1.2 / 16, 1 / 2
    faint, bright = (attention_picture(CROP, a, None, None).astype(int).sum(-1).max() for a in (little, much))
    assert faint < bright


def test_the_peak_is_told_in_even_shares():
    attention = np.full((2, 2), 0.1)
    attention[0, 0] = 0.3
    assert peak_over_even(attention) == pytest.approx(0.3 / 0.15)
    assert peak_over_even(np.zeros((2, 2))) == 1


def test_two_heatmaps_of_one_shape_look_alike_if_neither_is_faint():
    heatmap = np.random.default_rng(0).random((16, 12))
    heatmap /= heatmap.max()
    pictures = [heatmap_picture(CROP, scale * heatmap, None, None) for scale in (1.0, 0.5, 0.05)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert pictures[2].astype(int).sum() < pictures[1].astype(int).sum()


def test_negative_heatmaps_show_the_crop_alone():
    np.testing.assert_array_equal(heatmap_picture(CROP, np.full((16, 12), -1.0), None, None), dimmed(CROP))


def test_without_a_heatmap_the_marks_are_drawn_on_the_crop():
    picture = heatmap_picture(CROP, None, np.array([40.0, 50.0]), np.array([np.nan, np.nan]), name="left_knee")
    changed = (picture != dimmed(CROP)).any(-1)
    rows, columns = np.nonzero(changed)
    assert (columns.mean(), rows.mean()) == pytest.approx((40, 50), abs=0.6)


def test_telling_joints_go_from_head_to_foot_and_change_sides():
    assert [COCO.names[joint] for joint in telling_joints(COCO, 5)] == [
        "nose",
        "left_wrist",
        "right_knee",
        "left_ankle",
        "right_elbow",
    ]


def test_joints_of_unknown_names_are_taken_in_their_order():
    odd = Skeleton(names=("a", "b", "c"), limbs=(), flip_pairs=(), sigmas=(0.1,) * 3, upper_body=())
    assert telling_joints(odd, 2) == (0, 1)
    assert telling_joints(odd, 9) == (0, 1, 2)


@pytest.mark.parametrize(("tokens", "size", "grid"), [(256, (192, 256), (16, 16)), (16, (48, 64), (4, 4))])
def test_the_grid_of_published_patches_is_guessed(tokens, size, grid):
    assert token_grid(tokens, size) == grid


def test_no_tokens_have_no_grid():
    with pytest.raises(ValueError, match="at least one visual token is needed, got 0"):
        token_grid(0, (48, 64))
