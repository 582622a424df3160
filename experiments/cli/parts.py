"""`distilpose parts`, `distilpose check` and `distilpose new`: what a recipe can name, and parts of your own."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from experiments.cli.new_parts import TEMPLATES
from experiments.cli.options import INCOMPLETE, AsJson, print_json

if TYPE_CHECKING:
    from distilpose.losses.contract import Finding
    from distilpose.parts.signature import Option


def parts(as_json: AsJson = False) -> None:
    """Every loss, metric, model and head that a recipe can name, with its options."""
    from distilpose.evaluation.metrics import METRICS, lacking, metric_of
    from distilpose.heads import HEADS
    from distilpose.losses.table import LOSSES
    from distilpose.models.published import MODELS
    from distilpose.models.spec import model_options
    from distilpose.parts.own import registered

    losses = {
        name: {
            "options": _options(loss.signature.options),
            "asks for": list(loss.signature.asks),
            "does": loss.signature.doc.partition("\n")[0],
        }
        for name, loss in LOSSES.items()
    }
    metrics = {
        name: {
            "options": _options(metric.options_left),
            "higher is better": metric.higher_is_better,
            "needs": lacking(metric_of(name), ()),
            "does": metric.signature.doc.partition("\n")[0],
        }
        for name, metric in METRICS.items()
    }
    heads: dict[str, dict[str, Any]] = {
        name: {
            "options": _options(head.signature.options),
            "gives": list(head.gives),
            "reads": [what for what, part in (("tokens", head.on_tokens), ("features", head.on_features)) if part],
        }
        for name, head in HEADS.items()
    }
    models: dict[str, dict[str, Any]] = {
        name: {
            "role": spec.role,
            "backbone": spec.backbone,
            "head": spec.head,
            "options": {option: {"default": getattr(spec, option, None)} for option in model_options(spec)},
        }
        for name, spec in MODELS.items()
    }
    of_packages = {kind: registered(kind) for kind in ("loss", "metric", "model", "head")}
    if as_json:
        print_json({"losses": losses, "metrics": metrics, "models": models, "heads": heads, "of packages": of_packages})
        return
    out = Console(highlight=False)

    def line(text: str, *, dim: bool = False) -> None:
        out.print(text, markup=False, soft_wrap=True, style="dim" if dim else None)

    def defaults(options: Mapping[str, Any]) -> str:
        return ", ".join(f"{option}={one['default']}" for option, one in options.items())

    line("Losses (losses: {NAME: WEIGHT} or {NAME: {weight: WEIGHT, OPTION: VALUE}})\n")
    for name, loss in losses.items():
        line(f"  {name:8} {loss['does']}")
        line(f"           asks for {', '.join(loss['asks for'])}", dim=True)
        for option in LOSSES[name].signature.options:
            line(f"           {_words(option)}", dim=True)
    line("\nMetrics (metric: NAME, or {name: NAME, OPTION: VALUE}; evaluation: {best_by: ...})\n")
    for name, metric in metrics.items():
        line(f"  {name:14} {metric['does']}")
        if metric["needs"]:
            line(f"                 needs {metric['needs']}", dim=True)
        for option in METRICS[name].options_left:
            line(f"                 {_words(option)}", dim=True)
    line("\nModels (student: {model: NAME, OPTION: VALUE}; teacher likewise); `distilpose models` tells their cost\n")
    for name, model in models.items():
        line(f"  {name:26} {model['role']:8} {model['backbone']:9} {model['head']}")
        line(f"  {'':26} {defaults(model['options'])}", dim=True)
    line("  timm:NAME                  a backbone of timm, with a head that reads features")
    line("  mmpose:CONFIG.py           a model of an mmpose 1.x configuration; mmpose::NAME, one that mmpose ships")
    line("\nHeads (student: {model: NAME, head: NAME, OPTION: VALUE})\n")
    for name, head in heads.items():
        line(f"  {name:12} reads {' or '.join(head['reads'])}, gives {', '.join(head['gives'])}")
        if head["options"]:
            line(f"               {defaults(head['options'])}", dim=True)
    for kind, known in of_packages.items():
        for name, reference in known.items():
            line(f"\nOf a package, a {kind}: {name} ({reference})")
    line("\nYour own: FILE.py:NAME beside the sweep, or package.module:NAME; begin with `distilpose new`.")


def _options(options: "Iterable[Option]") -> dict[str, Any]:
    return {option.name: {"default": option.default, "choices": list(option.choices)} for option in options}


def _words(option: "Option") -> str:
    """An option, its choices and its default."""
    choices = f"{', '.join(map(str, option.choices))} " if option.choices else ""
    return f"{option.name}: {choices}(default {option.default})"


def check(
    part: Annotated[str, typer.Argument(help="FILE.py:NAME or package.module:NAME; or a loss or metric of ours.")],
    input_size: Annotated[str, typer.Option(help="Of a model's crops, width x height.")] = "64x128",
    as_json: AsJson = False,
) -> None:
    """Hold a loss, metric, model or head against its contract: values, gradients, masks, bf16, order of people.

    Exit code 1 where it fails.
    """
    from distilpose.losses.table import LOSSES

    kind = "loss" if part in LOSSES else "metric" if _is_metric(part) else _kind(part)
    if kind == "metric":
        findings = _check_metric(part)
    elif kind == "loss":
        findings = _check_loss(part)
    else:
        from distilpose.models.contract import check_part

        sides = input_size.split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            raise ValueError(f"--input-size: must be WIDTHxHEIGHT, got {input_size!r}")
        findings = check_part(part, Path.cwd(), kind, (int(sides[0]), int(sides[1])))
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
    from distilpose.parts.signature import PartError, read_signature

    if not is_reference(part):
        return part in METRICS
    with suppress(PartError):  # a model or head asks for other things
        place = find_part(part, Path.cwd())
        return read_signature(place.file, place.name, {*ASKS, *OF_LOSSES}).higher_is_better is not None
    return False


def _kind(part: str) -> str:
    """Whether a user's own part is a loss, a model or a head: told by what it asks for."""
    from distilpose.losses.use import Losses
    from distilpose.models.use import find_model_part, is_own

    try:
        (use,) = Losses.of({part: 1})
        if use.asks:
            return "loss"
    except ValueError:
        if not is_own(part, "model"):
            raise
    with suppress(ValueError):
        asks = () if part.startswith("mmpose:") else find_model_part(part, Path.cwd(), "head")[1].asks
        return "head" if {"dim", "channels"} & set(asks) else "model"
    find_model_part(part, Path.cwd(), "model")  # says what is wrong
    return "model"


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


def new(
    kind: Annotated[Literal["loss", "metric", "model", "head"], typer.Argument(help="What to begin.")],
    name: Annotated[str, typer.Argument(help="Its name, as Python has names.")],
) -> None:
    """Write a part of your own, NAME.py, with its test, test_NAME.py, into this folder. Nothing is overwritten."""
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"NAME: must be a name as Python has them (letters, digits, _), got {name!r}")
    files = dict(zip((Path(f"{name}.py"), Path(f"test_{name}.py")), TEMPLATES[kind], strict=True))
    for file in files:
        if file.exists():
            raise ValueError(f"{file}: is there already; choose another name or remove it")
    for file, text in files.items():
        file.write_text(text.format(name=name), encoding="utf-8")
        print(file)
