"""What validations cost beside the training between them, pictures and checkpoints included, in real runs of `tiny`."""

import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Figure, Settings
from experiments.build.data import data_facts, data_root, prepare
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import make_plan
from experiments.runs.store import Store
from experiments.sweep.sweep_file import find_sweep, read_sweep

SHARE = 0.05
EPOCHS, QUICK_EPOCHS, EVERY = 12, 4, 2
_USUAL_EVERY = 10  # the published interval


def figures(settings: Settings) -> Iterator[Figure]:
    """The eight rows of `losses` in one cohort, validated more often than usual, so that there are more to time."""
    with tempfile.TemporaryDirectory() as directory:
        epochs = list(_epochs(Path(directory), quick=settings.quick))
    plain = [seconds for number, seconds in epochs if number % EVERY]
    between = statistics.median(plain)
    extra = [seconds - between for number, seconds in epochs if number % EVERY == 0]
    yield Figure(
        what=f"training between two validations, {_USUAL_EVERY} epochs",
        against="a validation of eight rows",
        ratios=tuple(_USUAL_EVERY * between / max(seconds, 1e-9) for seconds in extra),
        aim=1 / SHARE,
        note=f"an epoch {between:.3g} s, a validation {statistics.median(extra):.3g} s: "
        f"{statistics.median(extra) / (_USUAL_EVERY * between):.1%}",
    )


def _epochs(folder: Path, *, quick: bool) -> Iterator[tuple[int, float]]:
    """Seconds from the end of each epoch's training to that of the next, by the next one's number from 0."""
    sweep = _short(folder, quick=quick)
    runs = Store(folder / "runs")
    for row in sweep.rows:
        assert prepare(row.recipe.data, root=None, runs=runs.root) == ()
    plan = make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs.root))
    settings = LaunchSettings(data_root=lambda data: data_root(data, root=None, runs=runs.root))
    outcome = launch_plan(plan, runs, InlineLauncher(threads=torch.get_num_threads()), settings)
    assert outcome.complete, outcome
    run_id = next(run_id for run_id, run in plan.runs.items() if run.row)
    numbers = [event for event in _journal(runs.run(run_id).path) if "train/loss" in event.get("values", {})]
    ends = {event["epoch"]: event["t"] for event in numbers}  # an epoch's last ones are those of its end
    for before, after in itertools.pairwise(ends):
        yield after, ends[after] - ends[before]


def _journal(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def _short(folder: Path, *, quick: bool) -> Any:
    """`losses` in `tiny` with a teacher that is hardly trained and one seed."""
    text, epochs = find_sweep("losses").read_text(), QUICK_EPOCHS if quick else EPOCHS
    for old, new in (
        ("seeds: [0, 1]", "seeds: [0]"),
        ("epochs: 18, eval_every: 9", "epochs: 2, eval_every: 2"),
        ("epochs: 7, batch_size: 32, warmup_steps: 50, decay: cosine, eval_every: 4",
         f"epochs: {epochs}, batch_size: 32, warmup_steps: 50, decay: cosine, eval_every: {EVERY}"),
        *([("train: 1200, val: 300", "train: 128, val: 32")] if quick else []),
    ):  # fmt: skip
        assert old in text, f"sweeps/losses.yaml no longer says {old!r}"
        text = text.replace(old, new)
    file = folder / "losses.yaml"
    file.write_text(text)
    return read_sweep(file).profile("tiny")
