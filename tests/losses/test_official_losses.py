"""Every term of the loss, and its gradient, against the authors' implementation."""

import functools
from pathlib import Path

import pytest
import torch
from made_up_batches import weighted
from torch import Tensor

from distilpose.heads.regression import simulated_heatmaps
from distilpose.losses.simulated_heatmap import simulated_heatmap_loss
from distilpose.models import HeatmapOutput, RegressionOutput

CASES = ("mixed_visibility", "all_visible", "edges", "batch1")
OFFICIAL_NAMES = {
    "reg": "reg_loss",
    "KT": "kpt_dist_loss",
    "VT": "vis_dist_loss",
    "CS": "score_loss",
    "SH": "reg2hm_loss",
}
OFFICIAL = {
    "reg": 1,
    "KT": 5e-4,
    "VT": 5e-4,
    "SH": {"weight": 1, "form": "official"},
    "CS": {"weight": 1e-2, "cell": "official"},
}


@functools.cache
def _case(parity: Path, name: str) -> dict:
    return torch.load(parity / "fixtures" / "losses_distilpose.pt", weights_only=True)[name]


def _leaves(case: dict) -> dict[str, Tensor]:
    return {name: value.clone().requires_grad_() for name, value in case["student"].items()}


def _output(leaves: dict[str, Tensor]) -> RegressionOutput:
    return RegressionOutput(
        leaves["pred"], leaves["score"][..., 0], leaves["sigma"], leaves["vis_token"], leaves["kpt_token"], None
    )


def _teacher(case: dict) -> HeatmapOutput:
    teacher = case["teacher"]
    return HeatmapOutput(teacher["pred"], teacher["vis_token"], teacher["kpt_token"], None)


def _assert_gradients(leaves: dict[str, Tensor], expected: dict[str, Tensor | None]) -> None:
    for name, gradient in expected.items():
        ours = leaves[name].grad
        if gradient is None:
            assert ours is None or not ours.any(), name
        else:
            torch.testing.assert_close(ours, gradient, rtol=1e-4, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("name", CASES)
def test_every_term_and_its_gradient_equal_the_authors(name: str, parity_dir: Path) -> None:
    case = _case(parity_dir, name)
    for term, official in OFFICIAL_NAMES.items():
        leaves = _leaves(case)
        terms = weighted(OFFICIAL, _output(leaves), case["target"], case["target_weight"][..., 0], _teacher(case))
        assert set(terms) == set(OFFICIAL_NAMES)
        torch.testing.assert_close(terms[term], case["losses"][official], rtol=1e-5, atol=1e-9)
        terms[term].backward()
        _assert_gradients(leaves, case["grads"][official])


@pytest.mark.parametrize("name", CASES)
def test_the_sum_and_its_gradient_equal_the_authors(name: str, parity_dir: Path) -> None:
    case = _case(parity_dir, name)
    leaves = _leaves(case)
    terms = weighted(OFFICIAL, _output(leaves), case["target"], case["target_weight"][..., 0], _teacher(case))
    total = sum(terms.values())
    torch.testing.assert_close(total, case["losses"]["total"], rtol=1e-6, atol=1e-8)
    total.backward()
    _assert_gradients(leaves, case["grads"]["total"])


@pytest.mark.parametrize("name", CASES)
def test_the_per_sample_form_equals_its_reference(name: str, parity_dir: Path) -> None:
    case = _case(parity_dir, name)
    leaves = _leaves(case)
    loss = simulated_heatmap_loss(leaves["pred"], leaves["sigma"], case["teacher"]["pred"], case["simulated_weight"])
    torch.testing.assert_close(loss, case["reg2hm_per_sample_weight"], rtol=1e-5, atol=1e-9)
    loss.backward()
    _assert_gradients(leaves, case["reg2hm_per_sample_weight_grads"])


@pytest.mark.parametrize("name", CASES)
def test_simulated_heatmaps_equal_the_authors(name: str, parity_dir: Path) -> None:
    case = _case(parity_dir, name)
    heatmaps = simulated_heatmaps(case["student"]["pred"], case["student"]["sigma"], (48, 64))
    torch.testing.assert_close(heatmaps, case["simulated_heatmap"], rtol=0, atol=1e-5)
