"""A student's whole loss: which terms there are, what they need, where gradients go."""

import dataclasses

import pytest
import torch

from distilpose.losses import LossWeights, student_loss
from distilpose.models import HeatmapOutput, RegressionOutput

FULL = LossWeights(KT=5e-4, VT=5e-4, SH=1, CS=1e-2)


def _output() -> RegressionOutput:
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).requires_grad_()

    return RegressionOutput(leaf(2, 3, 2), leaf(2, 3), leaf(2, 3, 2), leaf(2, 4, 8), leaf(2, 3, 8), None)


def _teacher() -> HeatmapOutput:
    return HeatmapOutput(torch.rand(2, 3, 8, 6), torch.rand(2, 4, 8), torch.rand(2, 3, 8), None)


def test_only_terms_switched_on_are_returned_and_each_scales_with_its_weight() -> None:
    output, teacher = _output(), _teacher()
    targets = torch.rand(2, 3, 2), torch.ones(2, 3)
    everything = student_loss(output, *targets, teacher, LossWeights(reg=1, KT=1, VT=1, SH=1, CS=1))
    assert list(everything) == ["reg", "KT", "VT", "SH", "CS"]
    for name, value in everything.items():
        alone = LossWeights(**{"reg": 0, name: 0.25})
        terms = student_loss(output, *targets, teacher, alone)
        assert list(terms) == [name]
        torch.testing.assert_close(terms[name], 0.25 * value)


def test_the_form_of_SH_is_passed_on() -> None:
    output, teacher = _output(), _teacher()
    visible = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    terms = [
        student_loss(output, torch.rand(2, 3, 2), visible, teacher, LossWeights(SH=1, SH_form=form))["SH"]
        for form in ("per_sample", "official")
    ]
    assert not torch.allclose(*terms)


def test_the_cell_of_CS_is_passed_on() -> None:
    output, teacher, visible = _output(), _teacher(), torch.ones(2, 3)
    terms = [
        student_loss(output, torch.rand(2, 3, 2), visible, teacher, LossWeights(CS=1, CS_cell=cell))["CS"]
        for cell in ("nearest", "official")
    ]
    assert not torch.allclose(*terms)


def test_no_gradient_reaches_the_teacher() -> None:
    teacher = HeatmapOutput(*(part.requires_grad_() for part in _teacher()[:3]), None)
    sum(student_loss(_output(), torch.rand(2, 3, 2), torch.ones(2, 3), teacher, FULL).values()).backward()
    assert [part.grad for part in teacher[:3]] == [None, None, None]


def test_without_distillation_no_teacher_is_needed() -> None:
    assert list(student_loss(_output(), torch.rand(2, 3, 2), torch.ones(2, 3), None, LossWeights())) == ["reg"]


@pytest.mark.parametrize("name", ["KT", "VT", "SH", "CS"])
def test_a_weight_says_what_it_needs(name: str) -> None:
    weights = LossWeights(**{name: 0.5})
    assert weights.needs_teacher
    assert weights.needs_tokens == (name in ("KT", "VT"))
    assert weights.needs_sigma == (name == "SH")
    assert weights.needs_score == (name == "CS")
    assert not LossWeights().needs_teacher
    with pytest.raises(ValueError, match="compare with a teacher, got none"):
        student_loss(_output(), torch.rand(2, 3, 2), torch.ones(2, 3), None, weights)


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("SH", "sigmas", "SH: needs a head with sigma outputs"),
        ("CS", "scores", "CS: needs a head with a score output"),
        ("KT", "keypoint_tokens", "KT: compares tokens, got a student that has none"),
        ("VT", "visual_tokens", "VT: compares tokens, got a student that has none"),
    ],
)
def test_a_term_without_its_output_is_refused(name: str, missing: str, message: str) -> None:
    output = _output()._replace(**{missing: None})
    with pytest.raises(ValueError, match=message):
        student_loss(output, torch.rand(2, 3, 2), torch.ones(2, 3), _teacher(), LossWeights(**{name: 1.0}))


def test_a_teacher_without_tokens_cannot_teach_them() -> None:
    teacher = _teacher()._replace(keypoint_tokens=None)
    with pytest.raises(ValueError, match="KT: compares tokens, got a teacher that has none"):
        student_loss(_output(), torch.rand(2, 3, 2), torch.ones(2, 3), teacher, FULL)


@pytest.mark.parametrize("field", ["reg", "KT", "VT", "SH", "CS"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}: must be a finite weight of at least 0"):
        LossWeights(**{field: value})


def test_the_forms_are_one_of_two() -> None:
    with pytest.raises(ValueError, match="SH_form: must be one of per_sample, official"):
        dataclasses.replace(FULL, SH_form="mean")
    with pytest.raises(ValueError, match="CS_cell: must be one of nearest, official"):
        dataclasses.replace(FULL, CS_cell="mean")
