"""`distilpose parts`, `distilpose check` and `distilpose new`: what a recipe can name, and parts of your own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from experiments.cli.options import INCOMPLETE, AsJson, print_json

if TYPE_CHECKING:
    from distilpose.losses.contract import Finding
    from distilpose.parts.signature import Option


def parts(as_json: AsJson = False) -> None:
    """Every loss, metric and model that a recipe can name, with its options."""
    from distilpose.evaluation.metrics import METRICS
    from distilpose.losses.table import LOSSES
    from distilpose.models.specs import MODELS

    losses = {
        name: {
            "options": {
                option.name: {"default": option.default, "choices": list(option.choices)}
                for option in loss.signature.options
            },
            "asks for": list(loss.signature.asks),
            "does": loss.signature.doc.partition("\n")[0],
        }
        for name, loss in LOSSES.items()
    }
    metrics = {
        name: {
            "options": {
                option.name: {"default": option.default, "choices": list(option.choices)}
                for option in metric.options_left
            },
            "higher is better": metric.higher_is_better,
            "does": metric.signature.doc.partition("\n")[0],
        }
        for name, metric in METRICS.items()
    }
    models = {
        name: {"role": spec.role, "backbone": spec.backbone, "dim": spec.dim, "depth": spec.depth}
        for name, spec in MODELS.items()
    }
    if as_json:
        print_json({"losses": losses, "metrics": metrics, "models": models})
        return
    out = Console(highlight=False)
    out.print("Losses (losses: {NAME: WEIGHT} or {NAME: {weight: WEIGHT, OPTION: VALUE}})\n", markup=False)
    for name, loss in losses.items():
        out.print(f"  {name:8} {loss['does']}", markup=False, soft_wrap=True)
        out.print(f"           asks for {', '.join(loss['asks for'])}", markup=False, style="dim", soft_wrap=True)
        for option in LOSSES[name].signature.options:
            out.print(f"           {_words(option)}", markup=False, style="dim", soft_wrap=True)
    out.print("\nMetrics (metric: NAME, or {name: NAME, OPTION: VALUE}; evaluation: {best_by: ...})\n", markup=False)
    for name, metric in metrics.items():
        out.print(f"  {name:14} {metric['does']}", markup=False, soft_wrap=True)
        for option in METRICS[name].options_left:
            out.print(f"                 {_words(option)}", markup=False, style="dim", soft_wrap=True)
    out.print(
        "\nModels (student: {model: NAME, SIZE: VALUE}); `distilpose models` tells their cost\n",
        markup=False,
        soft_wrap=True,
    )
    for name, model in models.items():
        out.print(f"  {name:26} {model['role']:8} {model['backbone']}", markup=False)
    out.print(
        "\nYour own: FILE.py:NAME beside the sweep, or package.module:NAME; begin with `distilpose new loss NAME`."
    )


def _words(option: "Option") -> str:
    """An option, its choices and its default."""
    choices = f"{', '.join(map(str, option.choices))} " if option.choices else ""
    return f"{option.name}: {choices}(default {option.default})"


def check(
    part: Annotated[str, typer.Argument(help="A loss or metric: FILE.py:NAME, package.module:NAME, or one of ours.")],
    as_json: AsJson = False,
) -> None:
    """Hold a loss (gradients, masks, bf16, order) or a metric (best value, masks, order) against its contract.

    Exit code 1 where it fails.
    """
    findings = _check_metric(part) if _is_metric(part) else _check_loss(part)
    if as_json:
        print_json([{"promise": finding.promise, "fault": finding.fault} for finding in findings])
    else:
        for finding in findings:
            mark = "ok    " if finding.fault is None else "FAILED"
            fault = "" if finding.fault is None else f": {finding.fault}"
            print(f"{mark}  {finding.promise}{fault}")
    if any(finding.fault is not None for finding in findings):
        raise typer.Exit(INCOMPLETE)


def _is_metric(part: str) -> bool:
    """Whether a part is a metric: one of ours, or a function that says which is better."""
    from distilpose.evaluation.metrics import ASKS, METRICS
    from distilpose.losses.table import ASKS as OF_LOSSES
    from distilpose.parts.reference import find_part, is_reference
    from distilpose.parts.signature import read_signature

    if not is_reference(part):
        return part in METRICS
    place = find_part(part, Path.cwd())
    return read_signature(place.file, place.name, {*ASKS, *OF_LOSSES}).higher_is_better is not None


def _check_loss(part: str) -> "list[Finding]":
    import tempfile

    from distilpose.losses.contract import check_loss
    from distilpose.losses.criteria import load_from
    from distilpose.losses.table import LOSSES
    from distilpose.losses.use import Losses
    from distilpose.parts.own import find_own

    (use,) = Losses.of({part: 1})
    with tempfile.TemporaryDirectory() as kept:
        if use.own is not None:
            find_own(part, Path.cwd(), "loss", LOSSES).keep_in(Path(kept) / use.own.code)
        return list(check_loss(use, load_from(Path(kept))))


def _check_metric(part: str) -> "list[Finding]":
    import tempfile

    from distilpose.evaluation.metric_contract import check_metric
    from distilpose.evaluation.metrics import METRICS, metric_of
    from distilpose.parts.own import find_own

    use = metric_of(part)
    with tempfile.TemporaryDirectory() as kept:
        if use.own is not None:
            find_own(part, Path.cwd(), "metric", METRICS).keep_in(Path(kept) / use.own.code)
        return list(check_metric(use, Path(kept)))


LOSS = '''"""{name}: a loss of mine. Name it in a sweep: losses: {{reg: 1, "{name}.py:{name}": 0.5}}."""

from torch import Tensor
from torch.nn import functional as F


def {name}(keypoints: Tensor, true_keypoints: Tensor, visible: Tensor, norm: str = "l1") -> Tensor:
    """Return the distance of predicted and true coordinates, (x, y) in [0, 1] of the crop; invisible joints count as 0.

    What it gets follows from the names of its parameters (see docs/extending.md); `norm` is an option.
    """
    seen = visible[..., None]
    distance = F.l1_loss if norm == "l1" else F.mse_loss
    return distance(keypoints * seen, true_keypoints * seen)
'''
LOSS_TEST = '''"""The contract of {name}, and a case by hand."""

from pathlib import Path

import torch

from distilpose.losses.contract import check_loss
from distilpose.losses.criteria import load_from
from distilpose.losses.use import Losses
from distilpose.parts.reference import find_part
from {name} import {name}

HERE = Path(__file__).parent


def test_it_keeps_its_contract(tmp_path: Path) -> None:
    (use,) = Losses.of({{"{name}.py:{name}": 1}}, HERE)
    find_part(use.name, HERE).keep_in(tmp_path / use.own.code)
    assert [finding for finding in check_loss(use, load_from(tmp_path)) if finding.fault] == []


def test_a_case_by_hand() -> None:
    found, true = torch.tensor([[[0.5, 0.5], [0.9, 0.9]]]), torch.tensor([[[0.25, 0.5], [0.0, 0.0]]])
    assert float({name}(found, true, torch.tensor([[1.0, 0.0]]))) == 0.25 / 4
'''
METRIC = '''"""{name}: a metric of mine. Name it in a sweep: metric: "{name}.py:{name}"."""

import numpy as np


def {name}(keypoints, true_keypoints, visible, boxes, threshold: float = 0.5) -> float:
    """Return the per cent of visible joints found within `threshold` times the root of the box's area.

    What it gets follows from the names of its parameters (see docs/extending.md), as NumPy arrays, in image pixels;
    `threshold` is an option. The value is shown as it is returned.
    """
    sizes = np.sqrt(boxes[:, 2] * boxes[:, 3])
    distances = np.linalg.norm(keypoints - true_keypoints, axis=-1)
    return 100 * float((distances <= threshold * sizes[:, None])[visible > 0].mean())


{name}.higher_is_better = True
'''
METRIC_TEST = '''"""The contract of {name}, and a case by hand."""

from pathlib import Path

import numpy as np

from distilpose.evaluation.metric_contract import check_metric
from distilpose.evaluation.metrics import metric_of
from distilpose.parts.reference import find_part
from {name} import {name}

HERE = Path(__file__).parent


def test_it_keeps_its_contract(tmp_path: Path) -> None:
    use = metric_of("{name}.py:{name}", HERE)
    find_part(use.name, HERE).keep_in(tmp_path / use.own.code)
    assert [finding for finding in check_metric(use, tmp_path) if finding.fault] == []


def test_a_case_by_hand() -> None:
    found, true = np.array([[[3.0, 4.0], [0.0, 20.0], [90.0, 90.0]]]), np.zeros((1, 3, 2))
    assert {name}(found, true, np.array([[1, 1, 0]]), np.array([[0.0, 0.0, 10.0, 10.0]])) == 50
'''
TEMPLATES = {"loss": (LOSS, LOSS_TEST), "metric": (METRIC, METRIC_TEST)}


def new(
    kind: Annotated[Literal["loss", "metric"], typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name, as Python has names.")],
) -> None:
    """Write a part of your own, NAME.py, with its test, test_NAME.py, into this folder. Nothing is overwritten."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"NAME: must be a name as Python has them (letters, digits, _), got {name!r}")
    part, test = TEMPLATES[kind]
    files = {Path(f"{name}.py"): part, Path(f"test_{name}.py"): test}
    for file in files:
        if file.exists():
            raise ValueError(f"{file}: is there already; choose another name or remove it")
    for file, text in files.items():
        file.write_text(text.format(name=name), encoding="utf-8")
        print(file)
