"""`distilpose parts`, `distilpose check` and `distilpose new`: what a recipe can name, and parts of your own."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from experiments.cli.options import INCOMPLETE, AsJson, print_json


def parts(as_json: AsJson = False) -> None:
    """Every loss and model that a recipe can name, with its options."""
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
    models = {
        name: {"role": spec.role, "backbone": spec.backbone, "dim": spec.dim, "depth": spec.depth}
        for name, spec in MODELS.items()
    }
    if as_json:
        print_json({"losses": losses, "models": models})
        return
    out = Console(highlight=False)
    out.print("Losses (losses: {NAME: WEIGHT} or {NAME: {weight: WEIGHT, OPTION: VALUE}})\n", markup=False)
    for name, loss in losses.items():
        out.print(f"  {name:8} {loss['does']}", markup=False, soft_wrap=True)
        out.print(f"           asks for {', '.join(loss['asks for'])}", markup=False, style="dim", soft_wrap=True)
        for option in LOSSES[name].signature.options:
            values = f"{', '.join(map(str, option.choices))} (default {option.default})" if option.choices else ""
            said = f"           {option.name}: {values or f'default {option.default}'}"
            out.print(said, markup=False, style="dim", soft_wrap=True)
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


def check(
    part: Annotated[str, typer.Argument(help="A loss: FILE.py:NAME, package.module:NAME, or one of ours.")],
    as_json: AsJson = False,
) -> None:
    """Hold a loss against its contract: gradients, masks, bf16, the order of people. Exit code 1 where it fails."""
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
        findings = list(check_loss(use, load_from(Path(kept))))
    if as_json:
        print_json([{"promise": finding.promise, "fault": finding.fault} for finding in findings])
    else:
        for finding in findings:
            mark = "ok    " if finding.fault is None else "FAILED"
            fault = "" if finding.fault is None else f": {finding.fault}"
            print(f"{mark}  {finding.promise}{fault}")
    if any(finding.fault is not None for finding in findings):
        raise typer.Exit(INCOMPLETE)


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


def new(
    kind: Annotated[Literal["loss"], typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name, as Python has names.")],
) -> None:
    """Write a part of your own, NAME.py, with its test, test_NAME.py, into this folder. Nothing is overwritten."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"NAME: must be a name as Python has them (letters, digits, _), got {name!r}")
    files = {Path(f"{name}.py"): LOSS, Path(f"test_{name}.py"): LOSS_TEST}
    for file in files:
        if file.exists():
            raise ValueError(f"{file}: is there already; choose another name or remove it")
    for file, text in files.items():
        file.write_text(text.format(name=name), encoding="utf-8")
        print(file)
