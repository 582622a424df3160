import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distilpose.evaluation.decode import crop_to_image, decode_heatmaps, gaussian_taps


def bump(x: float, y: float, width: int = 24, height: int = 32, sigma: float = 2.0) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))[None, None]


@pytest.fixture
def official(parity_dir):
    return torch.load(parity_dir / "fixtures" / "decode_eval.pt", weights_only=True)["decode"]


@pytest.mark.parametrize(
    ("refinement", "expected"), [("dark", "unbiased_kernel11"), ("quarter", "default_quarter_shift")]
)
def test_heatmaps_decode_to_the_authors_image_points(official, refinement, expected):
    points = decode_heatmaps(official["heatmaps"], refinement)
    image = crop_to_image(points.keypoints, official["center"], official["scale"] * 200)
    torch.testing.assert_close(image, official[expected], atol=1e-4, rtol=0)
    torch.testing.assert_close(points.scores, official["maxvals"][..., 0], atol=0, rtol=0)


def test_regressed_points_go_where_the_authors_put_them(official):
    image = crop_to_image(
        official["regression"].double(), official["center"].double(), official["scale"].double() * 200
    )
    torch.testing.assert_close(image, official["regression_decoded"], atol=1e-4, rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.floats(6, 17), st.floats(6, 25))
def test_dark_finds_the_centre_of_a_gaussian_between_pixels(x, y):
    points = decode_heatmaps(bump(x, y)).keypoints[0, 0]
    assert points[0] * 24 == pytest.approx(x, abs=0.02)
    assert points[1] * 32 == pytest.approx(y, abs=0.02)


def test_quarter_shift_moves_towards_the_higher_neighbour():
    points = decode_heatmaps(bump(10.3, 11.7), "quarter").keypoints[0, 0]
    assert (points * torch.tensor([24, 32])).tolist() == pytest.approx([10.25, 11.75])


def test_without_refinement_the_maximum_itself_is_returned():
    points = decode_heatmaps(bump(10.3, 11.7), "none").keypoints[0, 0]
    assert (points * torch.tensor([24, 32])).tolist() == pytest.approx([10, 12])


@pytest.mark.parametrize("refinement", ["dark", "quarter"])
def test_a_maximum_in_the_corner_stays_there(refinement):
    assert decode_heatmaps(bump(0, 0), refinement).keypoints[0, 0].tolist() == [0, 0]


def test_a_heatmap_without_positive_value_is_decoded_outside_the_crop_with_its_score():
    points = decode_heatmaps(torch.full((1, 1, 8, 6), -0.5))
    assert points.keypoints[0, 0].tolist() == pytest.approx([-1 / 6, -1 / 8])
    assert points.scores.item() == -0.5


def test_flat_heatmaps_have_finite_points():
    assert decode_heatmaps(torch.ones(1, 2, 16, 12)).keypoints.isfinite().all()


def test_the_kernel_width_changes_what_dark_sees():
    heatmap = bump(10, 12) + 0.4 * bump(14, 12)
    assert not torch.equal(decode_heatmaps(heatmap, kernel=3).keypoints, decode_heatmaps(heatmap, kernel=11).keypoints)


def test_blur_taps_are_opencvs():
    cv2 = pytest.importorskip("cv2")
    assert gaussian_taps(11).tolist() == pytest.approx(cv2.getGaussianKernel(11, 0)[:, 0].tolist(), abs=1e-12)
    assert math.isclose(gaussian_taps(17).sum(), 1)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd, positive number of taps, got 10"):
        decode_heatmaps(torch.zeros(1, 1, 8, 8), kernel=10)


def test_an_unknown_refinement_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="none, quarter, dark, got 'darc'"):
        decode_heatmaps(torch.zeros(1, 1, 8, 8), "darc")


def test_the_middle_of_the_crop_is_the_centre_of_the_box():
    image = crop_to_image(torch.full((1, 1, 2), 0.5), torch.tensor([[30.0, 40.0]]), torch.tensor([[12.0, 16.0]]))
    assert image[0, 0].tolist() == [30, 40]
