"""A store written by hand in the documented layout: a loss ablation with everything that can go wrong in it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from distilpose.pictures.people import VIEWS
from distilpose.pictures.png import save_png
from experiments.runs.saved_plan import SavedPlan, SavedRow
from experiments.runs.store import Store

FORMS = {"SH": {"form": "per_sample"}, "CS": {"cell": "nearest"}}
LOSSES = ("CS", "SH", "KT", "VT")
# name, losses in use, the paper's AP, our AP of seed 0 (0..1)
ROWS: tuple[tuple[str, tuple[str, ...], float, float], ...] = (
    ("none", (), 56.0, 0.182),
    ("CS", ("CS",), 63.2, 0.201),
    ("SH", ("SH",), 56.4, 0.188),
    ("CS+SH", ("CS", "SH"), 64.1, 0.214),
    ("KT", ("KT",), 67.1, 0.305),
    ("VT", ("VT",), 61.7, 0.331),
    ("KT+VT", ("KT", "VT"), 67.5, 0.342),
    ("all", LOSSES, 71.6, 0.371),
)
PROVENANCE: dict[str, Any] = {
    "commit": "c0ffee0123456789",
    "dirty": False,
    "lock_sha256": "10c4" * 16,
    "data_fingerprint": "da7a" * 16,
    "python": "3.11.9",
    "packages": {"torch": "2.15.0", "numpy": "2.3.5"},
    "platform": "Linux-6.1-x86_64",
    "cpu": "A CPU with two cores",
    "gpu": None,
    "threads": 1,
    "precision": "fp32",
    "command": "distilpose launch losses",
    "started": 1000.0,
    "finished": 1600.0,
}
EPOCHS = 30
HOSTILE = "<script>alert('1')</script> $x_$ | & %"


def recipe(role: str, seed: int, ticks: tuple[str, ...] = ()) -> dict[str, Any]:
    """A run's recipe, as run.json holds it."""
    return {
        "role": role,
        "seed": seed,
        "model": {
            "model": "distilpose_s" if role == "student" else "teacher_stemnet",
            "width": 24,
            "dim": 96,
            "depth": 3,
            "heads": None,
            "patch": None,
            "init": "fresh",
        },
        "losses": {name: {"weight": 1.0, **FORMS.get(name, {})} for name in ("reg", *LOSSES) if name in ("reg", *ticks)}
        if role == "student"
        else None,
        "input_size": [48, 64],
        "data": {"root": None, "train": "train", "val": "val", "synthetic": {"train": 1200, "val": 200, "seed": 0}},
        "augmentation": {"flip": 0.5, "half_body": 0.3, "scale": 0.35, "rotation": 45.0},
        "schedule": {"epochs": EPOCHS, "batch_size": 64, "lr": 1e-3, "warmup_steps": 50, "milestones": [20, 26]},
        "precision": "fp32",
        "evaluation": {"flip_test": True, "boxes": "gt"},
    }


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def draw_people(path: Path) -> None:
    """Four people down, two views across."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((4 * 192, 2 * 144, 3), 235, np.uint8)
    for person, view in np.ndindex(4, 2):
        cv2.circle(image, (72 + 144 * view, 96 + 192 * person), 60, (200 * view, 60 * person, 80), -1)
    save_png(image, path, said={VIEWS: json.dumps(["skeleton", "attention: left wrist"])})


def journal_lines(seed: int, ap: float, *, epochs: int = EPOCHS, pictures: bool = True) -> list[dict[str, Any]]:
    """What a run journals: ten steps a pass, a validation every fifth pass."""
    rng = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = [{"t": 0.0, "event": "start", "attempt": 1, "host": "h", "pid": 1, "step": 0}]
    lines[0]["total_steps"] = 10 * EPOCHS
    for epoch in range(epochs):
        for step in (10 * epoch + 5, 10 * epoch + 10):
            loss = 0.02 * float(np.exp(-epoch / 10)) + float(rng.normal(0, 1e-4))
            values = {"train/loss": loss * 1.5, "train/loss_reg": loss, "train/lr": 1e-3}
            lines.append({"t": float(step), "event": "metrics", "step": step, "epoch": epoch, "values": values})
        if (epoch + 1) % 5 == 0:
            grown = ap * (1 - float(np.exp(-4 * (epoch + 1) / EPOCHS))) / (1 - float(np.exp(-4)))
            done, step = epoch + 1, 10 * (epoch + 1)
            values = {"val/AP": grown, "val/PCK@0.2": min(1.0, grown * 2)}
            lines.append({"t": float(step), "event": "metrics", "step": step, "epoch": done, "values": values})
            for kind in ("people", "heatmaps") if pictures else ():
                said = {
                    "step": step,
                    "epoch": done,
                    "kind": kind,
                    "path": f"pictures/{kind}.png",
                    "caption": f"{kind} <b>",
                }
                lines.append({"t": float(step), "event": "picture", **said})
    return lines


def write_run(
    root: Path, run_id: str, *, role: str, row: str, seed: int, ap: float, ticks: tuple[str, ...] = ()
) -> Path:
    """A finished run."""
    path = begin_run(root, run_id, role=role, row=row, seed=seed, ap=ap, ticks=ticks)
    result = {
        "schema": 1,
        "run_id": run_id,
        "metrics": {"AP": ap, "AP50": min(1.0, ap * 2), "PCK@0.2": min(1.0, ap * 2)},
        "best_epoch": EPOCHS,
        "last": {"AP": ap, "PCK@0.2": min(1.0, ap * 2)},
        "epochs": EPOCHS,
        "steps": 10 * EPOCHS,
        "seconds": 120.0,
        "cohort": f"cohort{seed}" if role == "student" else "cohort-teacher",
        "cohort_size": 8,
        "parameters": 312_345,
        "provenance": PROVENANCE,
    }
    _write(path / "result.json", result)
    return path


def begin_run(
    root: Path,
    run_id: str,
    *,
    role: str,
    row: str,
    seed: int,
    ap: float,
    ticks: tuple[str, ...] = (),
    epochs: int = EPOCHS,
) -> Path:
    """A run that has begun and has no result."""
    path = root / run_id
    spec = {"schema": 1, "run_id": run_id, "role": role, "row": row, "seed": seed, "identity": {}}
    _write(path / "run.json", {**spec, "recipe": recipe(role, seed, ticks), "teacher_id": None})
    lines = journal_lines(seed, ap, epochs=epochs)
    (path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
    draw_people(path / "pictures" / "people.png")
    return path


def run_name(row: int, seed: int) -> str:
    """The id of the run in that position."""
    return f"{row:06x}{seed:06x}"


def made_up_plan(seeds: int, rows: tuple[tuple[str, tuple[str, ...], float, float], ...] = ROWS) -> SavedPlan:
    """The saved plan of the made-up sweep."""
    plan = {
        "sweep": "losses",
        "profile": "tiny",
        "title": "Loss ablation",
        "table": "losses",
        "metric": "AP",
        "baseline": rows[0][0],
        "source": "losses.yaml",
        "rows": [
            {
                "name": name,
                "ticks": {loss: loss in ticks for loss in LOSSES},
                "factors": {},
                "paper": {"AP": paper},
                "baseline": rows[0][0],
                "runs": [{"run_id": run_name(number, seed), "seed": seed} for seed in range(seeds)],
            }
            for number, (name, ticks, paper, _) in enumerate(rows)
        ],
        "teachers": [{"run_id": "7eac4e400000", "model": "teacher_stemnet"}],
        "cohorts": [],
        "settings": {"data": "synthetic people", "epochs": "30"},
    }
    return SavedPlan.from_json(plan)


def with_rows(plan: SavedPlan, change: Callable[[int, SavedRow], SavedRow]) -> SavedPlan:
    """The plan with every row changed, given its place."""
    return replace(plan, rows=tuple(change(place, row) for place, row in enumerate(plan.rows)))


def against(plan: SavedPlan, baseline: str | None) -> SavedPlan:
    """The plan with another baseline."""
    return with_rows(replace(plan, baseline=baseline), lambda _, row: replace(row, baseline=baseline))


def write_complete(
    root: Path, *, seeds: int, rows: tuple[tuple[str, tuple[str, ...], float, float], ...] = ROWS
) -> tuple[Store, SavedPlan]:
    """A sweep whose runs have all finished; seeds differ by a few points, the rows of one seed together."""
    for number, (name, ticks, _, ap) in enumerate(rows):
        for seed in range(seeds):
            value = ap + 0.004 * seed + 0.003 * ((number * 7 + seed * 5) % 4 - 1.5) * bool(seed)
            write_run(root, run_name(number, seed), role="student", row=name, seed=seed, ap=value, ticks=ticks)
    write_run(root, "7eac4e400000", role="teacher", row="", seed=0, ap=0.472)
    plan = made_up_plan(seeds, rows)
    store = Store(root)
    store.save_plan(plan)
    return store, plan


def write_troubled(root: Path) -> tuple[Store, SavedPlan]:
    """Three seeds with trouble: `SH` failed with seed 2, `KT` was stopped with seed 1, `VT` never began with seed 2."""
    store, plan = write_complete(root, seeds=3)
    failed, stopped, absent = root / run_name(2, 2), root / run_name(4, 1), root / run_name(5, 2)
    (failed / "result.json").unlink()
    _write(failed / "failure.json", {"attempts": 3, "message": "the loss is NaN at step 120 <script>", "kind": "nan"})
    for path in sorted(stopped.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    begin_run(root, run_name(4, 1), role="student", row="KT", seed=1, ap=0.3, ticks=("KT",), epochs=12)
    for path in sorted(absent.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    absent.rmdir()
    return store, plan
