"""How the time and memory of a report grow with the number of finished runs, nothing being trained.

    python benchmarks/report_growth.py [--counts 100,1000,10000] [--rows 0] > docs/report-growth.md

For each count a store of that many finished runs is written by hand: rows of eight seeds (or, with --rows, that many
rows of as many seeds as it takes), journals of thirty epochs, diagnoses and costs. Then a new process aggregates them,
and draws and writes every format. Seconds are of that process, start-up of Python left out; memory is its greatest.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Figure, Settings, most_gigabytes, timing
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store

SEEDS = 8
EPOCHS = 30
LIMIT_SECONDS, LIMIT_GB = 10.0, 1.0
TABLE_SECONDS = 5.0


def write_store(root: Path, count: int, rows: int) -> dict[str, Any]:
    """The plan of a store of `count` finished runs, after writing it."""
    rng = np.random.default_rng(count)
    rows = rows or max(1, count // SEEDS)
    seeds = count // rows
    factors = [{"width": str(8 + row % 40), "alpha": f"{row // 40 / 10:g}"} for row in range(rows)]
    plan: dict[str, Any] = {
        "schema": 1, "sweep": "many", "profile": "bench", "title": f"{count:,} runs", "table": "rows", "metric": "AP",
        "baseline": "row 0", "teachers": [], "cohorts": [], "settings": {"data": "made up"}, "source": "made up",
        "rows": [
            {
                "name": f"row {row}", "ticks": {}, "factors": factors[row], "paper": {}, "baseline": "row 0",
                "runs": [{"run_id": f"{row:06x}{seed:06x}", "seed": seed} for seed in range(seeds)],
            }
            for row in range(rows)
        ],
    }  # fmt: skip
    lines = [
        json.dumps({"t": 0.0, "event": "start", "attempt": 1, "host": "h", "pid": 1, "step": 0, "total_steps": 1500})
    ]
    for epoch in range(EPOCHS):
        for step in range(epoch * 50 + 10, epoch * 50 + 51, 10):
            values = {"train/loss": 0.1, "train/loss_reg": 0.05, "train/grad_norm": 0.2, "train/lr": 1e-3}
            lines.append(json.dumps({"t": 1.0, "event": "metrics", "step": step, "epoch": epoch, "values": values}))
        if (epoch + 1) % 5 == 0:
            values = {"val/AP": (epoch + 1) / 60, "val/PCK@0.2": 0.5}
            done = {"t": 1.0, "event": "metrics", "step": epoch * 50 + 50, "epoch": epoch + 1, "values": values}
            lines.append(json.dumps(done))
    journal = "\n".join(lines) + "\n"
    recipe = {
        "role": "student", "model": {"model": "distilpose_s", "width": 24}, "input_size": [48, 64],
        "data": {"root": "data/people", "train": "train", "val": "val", "synthetic": None},
        "schedule": {"epochs": EPOCHS, "batch_size": 64, "lr": 1e-3}, "evaluation": {"flip_test": True, "boxes": "gt"},
    }  # fmt: skip
    diagnosis = json.dumps(
        {
            "calibration": {"people": [40] * 20, "score": [0.5] * 20, "oks": [0.5] * 20, "spearman": 0.6},
            "joints": {"names": [f"joint {n}" for n in range(17)], "seen": [700] * 17, "found": [0.3] * 17},
        }
    )
    speed = {"fps": 400.0, "low": 380.0, "high": 410.0, "device": "a CPU"}
    cost = json.dumps({"parameters": 375_986, "gflops": 0.014, "input": [48, 64], "speed": speed})
    packages = {"torch": "2.15.0", "numpy": "2.3.5", "timm": "1.0.31"}
    origin = {"commit": "c0ffee", "dirty": False, "packages": packages, "cpu": "a CPU", "gpu": None, "threads": 1}
    for row in plan["rows"]:
        for run in row["runs"]:
            folder = root / run["run_id"]
            folder.mkdir(parents=True)
            ap = 0.3 + float(rng.normal(0, 0.02))
            metrics = {"AP": ap, "AP50": ap, "AP75": ap, "APM": ap, "APL": ap, "AR": ap, "PCK@0.2": ap, "PCK@0.1": ap}
            spec = {"role": "student", "row": row["name"], "seed": run["seed"], "recipe": recipe, "teacher_id": None}
            spec |= {"run_id": run["run_id"], "identity": {}}
            (folder / "run.json").write_text(json.dumps(spec, indent=1))
            (folder / "journal.jsonl").write_text(journal)
            (folder / "diagnosis.json").write_text(diagnosis)
            (folder / "cost.json").write_text(cost)
            result = {
                "run_id": run["run_id"],
                "metrics": metrics, "last": metrics, "best_epoch": EPOCHS, "epochs": EPOCHS, "seconds": 120.0,
                "parameters": 375_986, "provenance": origin,
            }  # fmt: skip
            (folder / "result.json").write_text(json.dumps(result, indent=1))
    Store(root).save_plan(SavedPlan.from_json(plan))
    return plan


def measure(root: Path) -> dict[str, float]:
    """Seconds to aggregate and to write everything, and the greatest memory in GB, of this process."""
    from experiments.api import results
    from reports.numbers.sweep import aggregate
    from reports.write import write_report

    store = Store(root)
    plan = store.load_plan("many", "bench")
    times = [(time.perf_counter(), time.process_time())]
    assert all(run.state == "finished" for run in aggregate(store, plan).runs)
    times.append((time.perf_counter(), time.process_time()))
    files = write_report(store, plan, root / "report")
    times.append((time.perf_counter(), time.process_time()))
    (wall, cpu), (aggregated, aggregated_cpu), (written, written_cpu) = times
    assert len(results(root, "many.bench")) == sum(len(row.runs) for row in plan.rows)
    tabled = time.perf_counter() - written
    return {
        "aggregate": aggregated - wall,
        "aggregate_cpu": aggregated_cpu - cpu,
        "all": written - aggregated,
        "all_cpu": written_cpu - aggregated_cpu,
        "table": tabled,
        "memory": most_gigabytes(),
        "page": files.html.stat().st_size / 2**20,
    }


def measured_anew(folder: str) -> dict[str, float]:
    """What a new process measures of the store in this folder."""
    command = [sys.executable, __file__, "--measure", folder]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def figures(settings: Settings) -> Iterator[Figure]:
    """The largest store alone; `python benchmarks/report_growth.py` prints the whole table."""
    count = 80 if settings.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder), count, 0)
        found = [measured_anew(folder) for _ in range(settings.rounds)]
    seconds = [one["aggregate"] + one["all"] for one in found]
    yield Figure(
        what=f"aggregate and write a report, {count:,} runs",
        against=f"the {LIMIT_SECONDS:g} s wanted",
        ratios=tuple(LIMIT_SECONDS / taken for taken in seconds),
        aim=1.0,
        note=f"{timing(seconds)}, at most {max(one['memory'] for one in found):.2f} GB",
    )
    tables = [one["table"] for one in found]
    yield Figure(
        what=f"`dp.results` of {count:,} runs",
        against=f"the {TABLE_SECONDS:g} s wanted",
        ratios=tuple(TABLE_SECONDS / taken for taken in tables),
        aim=1.0,
        note=timing(tables),
    )


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", default="100,1000,10000")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--measure", type=Path)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
        return
    print(
        "| runs | rows | aggregate: s | CPU s | aggregate and write all: s | CPU s | greatest memory (GB) | page (MB) |"
    )
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for count in map(int, chosen.counts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            plan = write_store(Path(folder), count, chosen.rows)
            found = measured_anew(folder)
        names = ("aggregate", "aggregate_cpu", "all", "all_cpu")
        cells = [f"{count:,}", f"{len(plan['rows']):,}", *(f"{found[name]:.1f}" for name in names)]
        print(f"| {' | '.join(cells)} | {found['memory']:.2f} | {found['page']:.1f} |", flush=True)
    print(f"\nWanted at 10,000: at most {LIMIT_SECONDS:g} s and {LIMIT_GB:g} GB. One process, caches of the disk warm;")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}. Where other work shares"
    )
    print("the machine, the CPU's seconds are those to look at.")


if __name__ == "__main__":
    main()
