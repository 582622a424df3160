"""What heads with lines and sigmas draw: where it lies on the crop, whatever the sizes."""

import pytest
import torch

from distilpose.heads.regression import RegressionOutput
from distilpose.heads.rle import RLEOutput
from distilpose.heads.simcc import SimCCOutput


def bins_at(place: int, bins: int, peak: float) -> torch.Tensor:
    return torch.zeros(1, 1, bins).index_fill_(-1, torch.tensor(place), peak)


@pytest.mark.parametrize("peak", [5.0, 1000.0])
def test_simccs_product_peaks_at_the_step_nearest_to_its_lines_peaks(peak: float) -> None:
    drawing = SimCCOutput(bins_at(45, 96, peak), bins_at(101, 128, peak)).drawn((12, 16))  # 8 bins a step
    assert drawing.heatmaps is not None
    assert drawing.heatmaps.shape == (1, 1, 16, 12)
    assert drawing.heatmaps.max() == drawing.heatmaps[0, 0, 13, 6] == 1


def test_simccs_curves_are_its_probabilities() -> None:
    output = SimCCOutput(torch.randn(2, 3, 30), torch.randn(2, 3, 40))
    curves = output.drawn((7, 9)).curves  # no whole number of bins a step
    assert curves is not None
    for curve, logits in zip(curves, output[:2], strict=True):
        torch.testing.assert_close(curve, logits.softmax(-1))
    product = output.drawn((30, 40)).heatmaps
    assert product is not None
    wanted = curves[1][..., :, None] * curves[0][..., None, :]
    torch.testing.assert_close(product, wanted / wanted.amax((-2, -1), keepdim=True))


def test_ellipses_are_in_parts_of_the_crop() -> None:
    points, sigmas = torch.full((1, 1, 2), 0.5), torch.tensor([[[3.0, 2.0]]])
    drawing = RegressionOutput(points, sigmas=sigmas).drawn((12, 16))
    torch.testing.assert_close(drawing.sigmas, torch.tensor([[[0.25, 0.125]]]))
    torch.testing.assert_close(RLEOutput(points, sigmas / 4).drawn((12, 16)).sigmas, sigmas / 4)


def test_without_sigmas_there_is_the_point_alone() -> None:
    drawing = RegressionOutput(torch.full((1, 1, 2), 0.5)).drawn((12, 16))
    assert drawing.heatmaps is drawing.curves is drawing.sigmas is None
    assert "no sigma output" in drawing.words
