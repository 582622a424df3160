"""A student's whole loss: which losses are on, what they ask for, when they count, where gradients go."""

import re
from pathlib import Path

import pytest
import torch
from made_up_batches import batch_of, weighted
from torch import nn

from distilpose.data.skeleton import COCO
from distilpose.losses.criteria import LossCriterion, load_from
from distilpose.losses.table import LOSSES
from distilpose.losses.use import Losses, OverTime
from distilpose.models import HeatmapOutput, RegressionOutput
from distilpose.parts.reference import find_part

FULL = {"reg": 1, "KT": 5e-4, "VT": 5e-4, "SH": 1, "CS": 1e-2}
TARGETS = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(1)), torch.ones(2, 3)


def _output() -> RegressionOutput:
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator).requires_grad_()

    return RegressionOutput(leaf(2, 3, 2), leaf(2, 3), leaf(2, 3, 2), leaf(2, 4, 8), leaf(2, 3, 8), None)


def _teacher() -> HeatmapOutput:
    return HeatmapOutput(torch.rand(2, 3, 8, 6), torch.rand(2, 4, 8), torch.rand(2, 3, 8), None)


def test_only_losses_that_are_on_are_returned_and_each_scales_with_its_weight() -> None:
    output, teacher = _output(), _teacher()
    everything = weighted(dict.fromkeys(FULL, 1), output, *TARGETS, teacher)
    assert list(everything) == ["reg", "CS", "SH", "KT", "VT"]
    for name, value in everything.items():
        alone = weighted({"reg": 0, name: 0.25}, output, *TARGETS, teacher)
        assert list(alone) == [name]
        torch.testing.assert_close(alone[name], 0.25 * value)


@pytest.mark.parametrize(("name", "option"), [("SH", ("form", "per_sample")), ("CS", ("cell", "nearest"))])
def test_options_are_passed_on(name: str, option: tuple[str, str]) -> None:
    field, ours = option
    visible = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    output, teacher = _output(), _teacher()
    terms = [
        weighted({name: {"weight": 1, field: value}}, output, TARGETS[0], visible, teacher)[name]
        for value in (ours, "official")
    ]
    assert not torch.allclose(*terms)
    torch.testing.assert_close(terms[0], weighted({name: 1}, output, TARGETS[0], visible, teacher)[name])


def test_no_gradient_reaches_the_teacher() -> None:
    teacher = HeatmapOutput(*(part.requires_grad_() for part in _teacher()[:3]), None)
    sum(weighted(FULL, _output(), *TARGETS, teacher).values()).backward()
    assert [part.grad for part in teacher[:3]] == [None, None, None]


def test_without_distillation_no_teacher_is_needed() -> None:
    assert list(weighted({"reg": 1}, _output(), *TARGETS, None)) == ["reg"]


@pytest.mark.parametrize("name", ["KT", "VT", "SH", "CS"])
def test_a_loss_says_what_it_needs(name: str) -> None:
    losses = Losses.of({name: 0.5})
    assert losses.needs_teacher
    assert losses.head_options("regression") == {"score": name == "CS", "sigma": name == "SH"}
    assert losses.ticks == {name: True}
    assert not Losses.of({"reg": 1}).needs_teacher
    with pytest.raises(ValueError, match=f"{name}: asks for teacher_.*, which no teacher gives, for there is none"):
        weighted({name: 1}, _output(), *TARGETS, None)


@pytest.mark.parametrize(
    ("name", "missing"), [("SH", "sigmas"), ("CS", "scores"), ("KT", "keypoint_tokens"), ("VT", "visual_tokens")]
)
def test_a_loss_without_its_output_is_refused(name: str, missing: str) -> None:
    output = _output()._replace(**{missing: None})
    with pytest.raises(ValueError, match=f"{name}: asks for .*{missing}, which the student's head does not give"):
        weighted({name: 1}, output, *TARGETS, _teacher())


def test_a_teacher_without_tokens_cannot_teach_them() -> None:
    teacher = _teacher()._replace(keypoint_tokens=None)
    with pytest.raises(ValueError, match="KT: asks for teacher_keypoint_tokens, which the teacher does not give"):
        weighted(FULL, _output(), *TARGETS, teacher)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1", None, True])
def test_weights_are_finite_numbers_and_not_negative(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"losses.{name}: must (be a finite number of at least 0|have a weight), .*"):
        Losses.of({name: value})


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"SH": {"weight": 1, "form": "mean"}}, "losses.SH.form: must be one of per_sample, official, got 'mean'"),
        ({"SH": {"weight": 1, "from": 1}}, "losses.SH.from: no such option, did you mean form?"),
        ({"limb": 1}, "losses.limb: no such loss, valid: reg, heatmap, own, "),
        ({"KT": {"weight": 1, "version": 2}}, "losses.KT.version: belongs to a loss of your own"),
        ({"KT": {"weight": 1, "over_time": {"decay": "lin"}}}, "losses.KT.over_time.decay: must be one of none, lin"),
        (
            {"KT": {"weight": 1, "over_time": {"warm": 1}}},
            "losses.KT.over_time.warm: no such field, did you",
        ),
        ({"KT": {"weight": 1, "over_time": {"end": -1}}}, "losses.KT.over_time.end: must be a number of epochs, at le"),
        ({"KT": {"weight": 1, "over_time": {"start": 3, "end": 2}}}, "losses.KT.over_time.end: must come after start"),
    ],
)
def test_what_is_wrong_with_a_loss_is_named(loss: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Losses.of(loss)


def test_losses_read_back_from_their_json_are_the_same() -> None:
    losses = Losses.of({**FULL, "SH": {"weight": 2, "form": "official", "over_time": {"decay": "cosine", "end": 3}}})
    assert Losses.of(losses.plain()) == losses


@pytest.mark.parametrize(
    ("over_time", "factors"),
    [
        (OverTime(), [1, 1, 1, 1, 1]),
        (OverTime(decay="linear"), [1, 0.75, 0.5, 0.25, 0]),
        (OverTime(decay="cosine"), [1, 0.8536, 0.5, 0.1464, 0]),
        (OverTime(warmup=2), [0, 0.5, 1, 1, 0]),
        (OverTime(start=1, end=3), [0, 1, 1, 0, 0]),
    ],
)
def test_a_weight_changes_over_time(over_time: OverTime, factors: list[float]) -> None:
    found = [over_time.factor(epoch, 4) for epoch in range(5)]
    assert found[:4] == pytest.approx(factors[:4], abs=1e-4)  # the moment at epoch 4 is after the end
    assert found[4] == 0


def test_a_weight_that_is_off_at_an_epoch_gives_no_loss_then() -> None:
    criterion = LossCriterion(Losses.of({"reg": {"weight": 1, "over_time": {"start": 2}}}), epochs=4)
    terms = [criterion(_output(), batch_of(*TARGETS), None, epoch)["reg"] for epoch in (1.9, 2.0)]
    assert [bool(term > 0) for term in terms] == [False, True]


OWN = '''
"""My losses."""
import torch
from torch import nn, Tensor
from beside import half

def limbs(keypoints, true_keypoints, skeleton, norm: str = "l1") -> Tensor:
    """Return the difference of limb lengths."""
    a, b = zip(*skeleton.limbs)
    def lengths(points): return (points[:, list(a)] - points[:, list(b)]).norm(dim=-1)
    power = 1 if norm == "l1" else 2
    return half(lengths(keypoints) - lengths(true_keypoints)).abs().pow(power).mean()

class Adapter(nn.Module):
    """Return the distance of adapted tokens."""
    def __init__(self, hidden: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(hidden), nn.LazyLinear(8))
    def forward(self, keypoint_tokens, teacher_keypoint_tokens):
        return (self.layers(keypoint_tokens) - teacher_keypoint_tokens).square().mean()
'''


def _own(folder: Path, losses: dict, **options: object) -> LossCriterion:
    (folder / "my_losses.py").write_text(OWN)
    (folder / "beside.py").write_text("def half(x):\n    return x / 2\n")
    read = Losses.of(losses, folder)
    for use in read:
        if use.own is not None:
            find_part(use.name, folder).keep_in(folder / "parts" / use.own.code)
    return LossCriterion(read, load=load_from(folder / "parts"), **options)


def _people() -> tuple[RegressionOutput, tuple[torch.Tensor, torch.Tensor]]:
    output = RegressionOutput(torch.rand(2, 17, 2, requires_grad=True), None, None, None, torch.rand(2, 17, 6), None)
    return output, (torch.rand(2, 17, 2), torch.ones(2, 17))


def test_a_users_own_function_is_a_loss_with_options_from_its_kept_copy(tmp_path: Path) -> None:
    losses = {"reg": 1, "my_losses.py:limbs": {"weight": 0.5, "norm": "l2"}}
    criterion = _own(tmp_path, losses, skeleton=COCO)
    (tmp_path / "my_losses.py").unlink()  # the kept copy is what runs import
    output, targets = _people()
    terms = criterion(output, batch_of(*targets), None)
    assert list(terms) == ["reg", "limbs"]
    first, second = map(list, zip(*COCO.limbs, strict=True))
    lengths = [(points[:, first] - points[:, second]).norm(dim=-1) for points in (output.keypoints, targets[0])]
    torch.testing.assert_close(terms["limbs"], 0.5 * ((lengths[0] - lengths[1]) / 2).square().mean())


def test_a_loss_with_parameters_gets_its_sizes_and_is_drawn_from_the_seed(tmp_path: Path) -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Parameter(torch.zeros(1))

        def forward(self, images: torch.Tensor) -> RegressionOutput:
            return RegressionOutput(torch.rand(2, 17, 2), None, None, None, torch.rand(2, 17, 6) + self.one, None)

    def teacher(images: torch.Tensor) -> HeatmapOutput:
        return HeatmapOutput(torch.rand(2, 17, 4, 4), None, torch.rand(2, 17, 8), None)

    frozen = Student()
    frozen.forward = teacher  # type: ignore[method-assign,assignment]
    drawn = []
    for seed in (0, 0, 1):
        criterion = _own(tmp_path, {"my_losses.py:Adapter": {"weight": 1, "hidden": 5}}, seed=seed)
        criterion.materialise(Student(), frozen, (48, 64), 17)
        drawn.append([parameter.detach().clone() for parameter in criterion.parameters()])
        assert [tuple(parameter.shape) for parameter in criterion.parameters()] == [(5, 6), (5,), (8, 5), (8,)]
    assert all(map(torch.equal, drawn[0], drawn[1]))
    assert not all(map(torch.equal, drawn[0], drawn[2]))
