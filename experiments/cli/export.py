"""`distilpose export`: a trained model as a file that runs without this package."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import RUNS, AsJson, Runs, console, print_json
from experiments.terminal.output import print_line, terminal

if TYPE_CHECKING:
    from rich.table import Table

CHECKED_WITH = (1, 3)  # crops at a time; neither is the number that the program was traced with


class Format(StrEnum):
    """What a model can be written as."""

    onnx = "onnx"
    torch = "torch"


def export(
    weights: Annotated[str, typer.Argument(metavar="RUN_ID|FILE", help="A finished run, or a .safetensors file.")],
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="May be repeated.", show_default="onnx")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The published model of a file that names none.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    latency: Annotated[bool, typer.Option(help="Measure each form here, one crop at a time.")] = False,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX or as a torch.export program, checked against the model itself."""
    from dataclasses import asdict

    import torch

    from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD
    from distilpose.deployment.latency import latencies
    from distilpose.deployment.program import Deployed, export_program, largest_difference, write_program
    from distilpose.integrations.onnx import OPSET, OnnxModel, check_installed, write_onnx
    from experiments.runs.store import Store
    from experiments.trained.load import load_weights

    wanted = tuple(dict.fromkeys(formats or [Format.onnx]))
    if Format.onnx in wanted:
        check_installed()
    if weights.endswith(".onnx"):
        raise ValueError(f"export: {weights} is exported already; name the run, or its .safetensors file")
    loaded = load_weights(weights, model=model, store=Store(runs))
    out.mkdir(parents=True, exist_ok=True)
    stem = loaded.file.stem if loaded.run is None else loaded.run.run_id
    program = export_program(loaded.module, loaded.input_size)
    width, height = loaded.input_size
    generator = torch.Generator().manual_seed(0)
    crops = [torch.randn(count, 3, height, width, generator=generator) for count in CHECKED_WITH]
    with torch.inference_mode():
        answers = [Deployed(loaded.module)(images) for images in crops]
    written: list[dict[str, Any]] = []
    onnx_file = None
    for kind in wanted:
        if kind is Format.onnx:
            file = onnx_file = out / f"{stem}.onnx"
            scale = {"mean": str(list(IMAGENET_MEAN)), "std": str(list(IMAGENET_STD))}
            write_onnx(program, file, {**loaded.description.to_metadata(), **scale})
            run = OnnxModel(file).run
            form = f"ONNX, opset {OPSET}"
        else:
            file = out / f"{stem}.pt2"
            write_program(program, file)
            run = torch.export.load(file).module()
            form = "torch.export"
        with torch.inference_mode():
            apart = [largest_difference(run(images), answer) for images, answer in zip(crops, answers, strict=True)]
        worst = {name: max(one[name] for one in apart) for name in apart[0]}
        written.append({"file": str(file), "form": form, "bytes": file.stat().st_size, "largest_difference": worst})
    rows = []
    if latency:
        rows = [asdict(row) for row in latencies(loaded.module, program, onnx_file, loaded.input_size)]
    if as_json:
        print_json({"name": loaded.name, "input": [3, height, width], "files": written, "latency": rows})
        return
    for one in written:
        said = ", ".join(f"{name} {value:.1e}" for name, value in one["largest_difference"].items())
        console.print(f"{one['form']}: at most this far from the model itself: {said}", highlight=False, soft_wrap=True)
        print_line(one["file"])
    if rows:
        terminal().print(_table(rows))


def _table(rows: list[dict[str, Any]]) -> "Table":
    """The times for people."""
    from experiments.terminal.tables import plain_table

    lines = [
        (
            row["form"],
            row["device"],
            str(row["threads"]) if row["device"] == "cpu" else "",
            f"{row['milliseconds']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            str(row["passes"]),
        )
        for row in rows
    ]
    return plain_table(("form", "device", "threads", "ms a crop", "quartiles", "passes"), lines, left=3)
