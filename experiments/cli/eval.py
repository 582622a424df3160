"""`distilpose eval`: the published protocol, and every other, on a trained model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import RUNS, AsJson, Device, Runs, SkeletonName, console, print_json
from experiments.terminal.output import print_line, terminal

if TYPE_CHECKING:
    from rich.table import Table

    from distilpose.data.coco import PoseData
    from distilpose.evaluation.evaluate import Evaluation
    from distilpose.evaluation.metrics import MetricUse
    from distilpose.evaluation.protocol import Protocol
    from experiments.runs.store import Store
    from experiments.trained.load import LoadedModel


def eval(
    run: Annotated[str | None, typer.Argument(metavar="RUN_ID", help="A finished run.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Or a file: .safetensors, or .onnx from `export`.")] = None,
    model: Annotated[str | None, typer.Option(help="The published model of a file that names none.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data; by default the run's.")] = None,
    split: Annotated[str | None, typer.Option(help="By default the run's, or the folder's one val split.")] = None,
    boxes: Annotated[
        str | None, typer.Option(help="gt, or a detector's results; by default the run's, or gt.", metavar="gt|FILE")
    ] = None,
    flip_test: Annotated[bool, typer.Option("--flip/--no-flip", help="Average with the mirror image.")] = True,
    flip_coordinates: Annotated[str, typer.Option(help="pixel, or official: half a pixel off.")] = "pixel",
    flip_scores: Annotated[str, typer.Option(help="swapped, or official: of the left-right partner.")] = "swapped",
    decoding: Annotated[
        list[str] | None, typer.Option(help="Of heatmaps: dark, quarter, none; may be repeated.", show_default="dark")
    ] = None,
    rescore: Annotated[bool, typer.Option(help="Box score times the mean of the joints' scores above 0.2.")] = True,
    suppress: Annotated[bool, typer.Option(help="Of poses over 0.9 OKS alike, keep the best.")] = True,
    evaluator: Annotated[str, typer.Option(help="pycocotools, or faster (faster-coco-eval).")] = "pycocotools",
    metric: Annotated[
        list[str] | None, typer.Option(help="By this one too, as AUC or FILE.py:NAME; may be repeated.")
    ] = None,
    skeleton: SkeletonName = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results, metrics and the submission archive.")] = None,
    runs: Runs = RUNS,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Crops at a time; changes no number.", min=1)] = 64,
    workers: Annotated[int, typer.Option(help="Threads that read pictures.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Every metric that the data allow, of a run or a file of weights; results in COCO's format, ready to submit."""
    from distilpose.evaluation.evaluate import evaluate
    from distilpose.evaluation.flip import FlipTest
    from distilpose.evaluation.protocol import Protocol
    from experiments.launch.devices import slots_for
    from experiments.runs.store import Store
    from experiments.trained.load import load_weights

    if (run is None) == (weights is None):
        raise ValueError("eval: say what to measure, a RUN_ID or --weights FILE, and not both")
    protocols = [
        Protocol(
            flip_test=FlipTest(coordinates=flip_coordinates, scores=flip_scores) if flip_test else None,  # type: ignore[arg-type]
            refinement=refinement,  # type: ignore[arg-type]
            **({} if rescore else {"rescore_above": None}),
            **({} if suppress else {"suppress_above": None}),
            evaluator=evaluator,  # type: ignore[arg-type]
        )
        for refinement in dict.fromkeys(decoding or ["dark"])
    ]
    store = Store(runs)
    loaded = load_weights(str(weights) if run is None else run, model=model, store=store)
    subject = _subject(loaded, store, data=data, split=split, boxes=boxes, skeleton=skeleton)
    where = slots_for(device, 1)[0].device
    uses = _metrics(metric or [], subject, store)
    measured = []
    for protocol in protocols:
        evaluation = evaluate(
            loaded.module.to(where),
            subject.people,
            input_size=loaded.input_size,
            batch_size=batch_size,
            protocol=protocol,
            boxes=subject.boxes,
            device=where,
            workers=workers,
            metrics=uses,
            parts=store.parts,
        )
        record = _record(loaded, subject, protocol, evaluation)
        if out is not None:
            folder = out if len(protocols) == 1 else out / protocol.refinement
            record["files"] = _write(folder, record, evaluation, subject.people.split)
        measured.append(record)
    if as_json:
        print_json(measured)
        return

    terminal().print(_table(measured))
    for record in measured:
        for file in record.get("files", {}).values():
            print_line(file)
    console.print(f"{loaded.name}: {measured[0]['people']} people of {subject.people.split}, {subject.said} boxes")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """On whom a model is measured."""

    people: "PoseData"
    boxes: Path | None
    said: str


def _subject(
    loaded: "LoadedModel",
    store: "Store",
    *,
    data: Path | None,
    split: str | None,
    boxes: str | None,
    skeleton: str | None,
) -> _Subject:
    from distilpose.data.coco import find_splits, load_pose_data
    from distilpose.data.library import find_skeleton
    from distilpose.data.skeleton import category_of
    from distilpose.data.unlabelled import load_pictures, picture_list
    from experiments.trained.load import run_data

    recipe = loaded.recipe
    given = None if skeleton is None else category_of(find_skeleton(skeleton))
    if data is None:
        if recipe is None or loaded.run is None:
            raise ValueError("eval: --data must name the folder of the data; only a run knows its own")
        data = run_data(loaded.run, recipe, store)
        given = given or recipe.data.given
    if split is None and recipe is not None:
        split = recipe.data.val
    if split is None:
        found = find_splits(data)
        if not found:
            raise ValueError(f"eval: --data {data}: must be a folder with annotations/*.json, there are none")
        validating = [name for name in found if name.startswith("val")]
        if len(validating) != 1:
            raise ValueError(f"eval: --split must name one of {', '.join(found)} in {data}")
        split = validating[0]
    if boxes is None:
        boxes = "gt"
        if recipe is not None and recipe.evaluation.boxes != "gt":
            boxes = str(data / recipe.evaluation.boxes)
    unlabelled = picture_list(data, split).is_file()
    people = load_pictures(data, split) if unlabelled else load_pose_data(data, split, given)
    if unlabelled and boxes == "gt":
        raise ValueError(f"eval: {split} has no annotated boxes; name a detector's results with --boxes")
    if people.skeleton.num_joints != loaded.joints:
        raise ValueError(
            f"eval: {loaded.name} has {loaded.joints} joints, {data} has {people.skeleton.num_joints}; "
            "measure it on people with the joints that it was trained for"
        )
    if boxes == "gt":
        return _Subject(people=people, boxes=None, said="annotated")
    file = Path(boxes)
    if not file.is_file():
        raise ValueError(f"eval: --boxes must be gt or a file of COCO results, got {boxes!r} and no such file")
    return _Subject(people=people, boxes=file, said=file.name)


def _metrics(names: list[str], subject: _Subject, store: "Store") -> "list[MetricUse]":
    """The metrics asked for, with users' code kept in the store. Raises ValueError for one that asks too much."""
    from distilpose.evaluation.measure import given_by_data
    from distilpose.evaluation.metrics import METRICS, PEOPLE_ASKS, lacking, metric_of
    from distilpose.parts.own import find_own

    uses = [metric_of(name) for name in names]
    for name, use in zip(names, uses, strict=True):
        lacks = lacking(use, given_by_data(subject.people))
        if not lacks and subject.boxes is not None and not set(PEOPLE_ASKS).isdisjoint(use.asks):
            lacks = "annotated boxes (--boxes gt)"
        if lacks:
            raise ValueError(f"eval: --metric {name}: needs {lacks}, and {subject.people.split} has none")
        if use.own is not None:
            find_own(name, Path.cwd(), "metric", METRICS).keep_in(store.parts / use.own.code)
    return uses


def _record(loaded: "LoadedModel", subject: _Subject, protocol: "Protocol", evaluation: "Evaluation") -> dict[str, Any]:
    """What was measured of what, and how, as plain values."""
    from dataclasses import asdict

    return {
        "name": loaded.name,
        "model": loaded.description.model,
        "weights": str(loaded.file),
        "input_size": list(loaded.input_size),
        "split": subject.people.split,
        "data_fingerprint": subject.people.fingerprint,
        "boxes": subject.said,
        "people": len(evaluation.keypoints),
        "poses": len(evaluation.results),
        "protocol": asdict(protocol),
        "metrics": evaluation.metrics,
    }


def _write(folder: Path, record: dict[str, Any], evaluation: "Evaluation", split: str) -> dict[str, str]:
    """The files by kind: COCO's results, the same packed for its server, and the metrics with how they came about."""
    from distilpose.evaluation.submission import results_json, write_submission
    from experiments.runs.atomic import json_text, write_whole

    folder.mkdir(parents=True, exist_ok=True)
    results, metrics = folder / "results.json", folder / "metrics.json"
    write_whole(results, results_json(evaluation.results))
    submission = write_submission(evaluation.results, folder, split=split, method=record["name"])
    write_whole(metrics, json_text(record))
    return {"results": str(results), "submission": str(submission), "metrics": str(metrics)}


def _table(measured: list[dict[str, Any]]) -> "Table":
    """A line for each metric, ours in per cent; a column for each decoding."""
    from distilpose.evaluation.metrics import shown
    from experiments.terminal.tables import plain_table

    names = list(measured[0]["metrics"])
    if not names:
        return plain_table([""], [["no labels, so no metrics"]])
    rows = [[name, *(shown(name, record["metrics"][name]) for record in measured)] for name in names]
    return plain_table(["decoding", *(record["protocol"]["refinement"] for record in measured)], rows)
