import pytest
import torch

from distilpose.evaluation.flip import FlipTest, merge_heatmaps, merge_keypoints, merge_scores

WIDTH = 48
PARTNERS = (0, 2, 1)


def mirrored_pixels(x: torch.Tensor) -> torch.Tensor:
    """Where pixel x of a crop lies after flipping its columns, both as fractions of the width."""
    return (WIDTH - 1 - x * WIDTH) / WIDTH


def test_pixel_coordinates_of_an_exact_model_do_not_move():
    points = torch.rand(4, 3, 2)
    seen = points[:, list(PARTNERS)].clone()
    seen[..., 0] = mirrored_pixels(seen[..., 0])
    torch.testing.assert_close(merge_keypoints(points, seen, PARTNERS, WIDTH), points)


def test_official_coordinates_of_an_exact_model_move_by_half_a_pixel():
    points = torch.rand(4, 3, 2)
    seen = points[:, list(PARTNERS)].clone()
    seen[..., 0] = mirrored_pixels(seen[..., 0])
    moved = merge_keypoints(points, seen, PARTNERS, WIDTH, "official") - points
    torch.testing.assert_close(moved[..., 0], torch.full((4, 3), 0.5 / WIDTH))
    torch.testing.assert_close(moved[..., 1], torch.zeros(4, 3))


def test_swapped_scores_average_a_joint_with_its_own_mirror_image():
    scores = torch.tensor([[0.1, 0.2, 0.9]])
    assert merge_scores(scores, scores[:, list(PARTNERS)], PARTNERS)[0].tolist() == pytest.approx([0.1, 0.2, 0.9])


def test_official_scores_average_a_joint_with_its_partner():
    scores = torch.tensor([[0.1, 0.2, 0.9]])
    merged = merge_scores(scores, scores[:, list(PARTNERS)], PARTNERS, "official")
    assert merged[0].tolist() == pytest.approx([0.1, 0.55, 0.55])


def test_heatmaps_are_turned_back_swapped_and_moved_by_a_pixel():
    original = torch.zeros(1, 3, 2, 6)
    mirrored = torch.zeros(1, 3, 2, 6)
    mirrored[0, 2, 1, 1] = 1  # the partner of joint 1; turned back it is in column 4, moved in column 5
    merged = merge_heatmaps(original, mirrored, PARTNERS)
    assert merged.nonzero().tolist() == [[0, 1, 1, 5]]
    assert merged.max() == 0.5


@pytest.mark.parametrize(("field", "known"), [("coordinates", "pixel, official"), ("scores", "swapped, official")])
def test_unknown_forms_are_refused_with_the_known_ones(field, known):
    with pytest.raises(ValueError, match=f"{field}: must be one of {known}, got 'other'"):
        FlipTest(**{field: "other"})
