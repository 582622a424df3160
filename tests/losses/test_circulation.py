"""SDPose's loss over cycles: by hand, and where its gradients go."""

import pytest
import torch

from distilpose.data.stream import Batch
from distilpose.losses.circulation import CirculationWeights, circulation_loss
from distilpose.losses.criteria import HEATMAP_LOSSES, CirculationCriterion, LossCriterion
from distilpose.losses.use import Losses
from distilpose.models import HeatmapOutput, build_model


def _cycles(count: int) -> list[HeatmapOutput]:
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).requires_grad_()

    return [HeatmapOutput(leaf(2, 3, 8, 6), leaf(2, 4, 8), leaf(2, 3, 8), None) for _ in range(count)]


SEEN = torch.ones(2, 3)
IMAGES, POINTS = torch.randn(2, 3, 32, 24), torch.rand(2, 3, 2)
BATCH = Batch(IMAGES, POINTS, SEEN, torch.arange(2), torch.zeros(2, 2), torch.ones(2, 2), SEEN)
SIZES = {"input_size": (24, 32), "width": 4, "dim": 8, "depth": 1, "heads": 2, "patch": (4, 3), "joints": 3}


def test_terms_are_sums_over_cycles_and_over_neighbours() -> None:
    cycles = _cycles(3)
    terms = circulation_loss(cycles, CirculationWeights(KT=3, VT=5))
    keypoints = sum((cycles[i].keypoint_tokens - cycles[i + 1].keypoint_tokens).square().mean() for i in (0, 1))
    visual = sum((cycles[i].visual_tokens - cycles[i + 1].visual_tokens).square().mean() for i in (0, 1))
    torch.testing.assert_close(terms, {"KT": 3 * keypoints, "VT": 5 * visual})


def test_the_official_form_stops_no_gradient_and_the_other_holds_the_later_cycle_still() -> None:
    for stop in (False, True):
        cycles = _cycles(2)
        circulation_loss(cycles, CirculationWeights(KT=1, stop_gradient=stop))["KT"].backward()
        assert cycles[0].keypoint_tokens.grad.any()
        assert (cycles[1].keypoint_tokens.grad is None) == stop


def test_one_cycle_or_no_weight_has_no_terms() -> None:
    assert circulation_loss(_cycles(1), CirculationWeights()) == {}
    assert circulation_loss(_cycles(2), CirculationWeights(KT=0, VT=0)) == {}


def test_the_published_weights_are_the_default() -> None:
    assert CirculationWeights() == CirculationWeights(heatmap=1, KT=5e-6, VT=5e-6, stop_gradient=False)


def test_an_sdpose_model_learns_from_all_its_cycles() -> None:
    model = build_model("sdpose_t", **SIZES)
    cycles = model(IMAGES, all_cycles=True)
    assert len(cycles) == 3
    terms = CirculationCriterion(CirculationWeights(heatmap=2))(cycles, BATCH)
    assert list(terms) == ["heatmap", "KT", "VT"]
    alone = [LossCriterion(HEATMAP_LOSSES)(cycle, BATCH)["heatmap"] for cycle in cycles]
    torch.testing.assert_close(terms["heatmap"], 2 * sum(alone))
    sum(terms.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_every_cycle_of_any_head_learns_by_its_losses() -> None:
    """SDPose-Reg: RLE, whose flow is one for all cycles."""
    model, losses = build_model("sdpose_t", head="rle", **SIZES), LossCriterion(Losses.of({"RLE": 1}))
    cycles = model(IMAGES, all_cycles=True)
    terms = CirculationCriterion(CirculationWeights(), losses)(cycles, BATCH)
    assert list(terms) == ["RLE", "KT", "VT"]
    torch.testing.assert_close(terms["RLE"], sum(losses(cycle, BATCH)["RLE"] for cycle in cycles))
    sum(terms.values()).backward()
    assert all(parameter.grad is not None for part in (model, losses) for parameter in part.parameters())


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="KT: must be a finite weight of at least 0, got -1"):
        CirculationWeights(KT=-1)
    with pytest.raises(ValueError, match="run the model with all_cycles=True"):
        circulation_loss([], CirculationWeights())
    without = [cycle._replace(visual_tokens=None) for cycle in _cycles(2)]
    with pytest.raises(ValueError, match="got a model that has none"):
        circulation_loss(without, CirculationWeights())
