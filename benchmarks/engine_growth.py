"""How the engine's own work grows with the number of planned runs, with nothing trained.

For each count it plans that many runs of small models, a row each, and measures

plan      `distilpose plan`, the whole command, on an empty store
replan    the same where every run is finished
status    `distilpose status`, the whole command, every run finished
claim     from the plan in memory to the lease of the one run that is left, every other being finished
overhead  CPU of planned no-op runs in this process, one run a process's job: lease, journal, result, bookkeeping

Commands are timed from outside, start-up of Python included. CPU seconds are of the process and its children.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import Figure, Settings, ratios, timing
from experiments.build.data import data_facts
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan, make_plan
from experiments.runs.atomic import json_text
from experiments.runs.job import FINISHED
from experiments.runs.store import Store
from experiments.sweep.sweep_file import read_sweep

SHEET = """\
sweep: growth
title: As many runs as asked for
table: rows
metric: PCK@0.1
base:
  student: {{model: distilpose_s, width: 16, dim: 96, depth: 3, heads: 4}}
  teacher: {{model: teacher_stemnet, width: 24, dim: 96, depth: 3, heads: 4, schedule: {{lr: 1e-3}}}}
  losses: {{reg: 1, KT: 5e-4, VT: 5e-4, SH: 1, CS: 1e-2}}
  input_size: [48, 64]
  data: {{synthetic: {{train: 1200, val: 300, seed: 0}}}}
  augmentation: {{half_body: 0, scale: 0.15, rotation: 15}}
  schedule: {{epochs: 20, batch_size: 64, warmup_steps: 50, milestones: [15, 18], eval_every: 10}}
  evaluation: {{boxes: gt}}
axes:
  grid:
    losses.KT: {weights}
    schedule.lr: {rates}
"""
NOOPS = 100


def sweep_file(folder: Path, runs: int) -> Path:
    """A sweep of so many student runs."""
    rates = 10 if runs >= 100 else 5
    weights = runs // rates
    file = folder / f"growth-{runs}.yaml"
    file.write_text(
        SHEET.format(
            weights=[round(1e-5 * (index + 1), 8) for index in range(weights)],
            rates=[round(1e-4 * (index + 1), 8) for index in range(rates)],
        )
    )
    return file


def planned(file: Path, store: Store, *, max_cohort: int = 1) -> Plan:
    """The file's plan; runs of one teacher and rate may train together, by default each is alone."""
    sweep = read_sweep(file).profile()
    facts = partial(data_facts, root=None, runs=store.root)
    return make_plan(sweep, facts, max_cohort=max_cohort)


def fill(store: Store, plan: Plan) -> None:
    """Write what finished runs leave, as the engine does but without waiting for the disk."""
    store.save_plan(plan.saved())
    provenance = {"device": "cpu", "commit": "0" * 40, "packages": {f"package-{index}": "1.0" for index in range(8)}}
    for run_id, run in plan.runs.items():
        folder = store.run(run_id).path
        (folder / "lease").mkdir(parents=True)
        (folder / "lease" / "00000001").write_text("{}")
        (folder / "lease" / "00000001.released").touch()
        (folder / "run.json").write_text(json_text({"schema": 1, "run_id": run_id, **run.spec}))
        events = ['{"t": 1.0, "event": "start", "attempt": 1, "host": "x", "pid": 1, "step": 0, "total_steps": 360}']
        metrics = '"epoch": 1, "values": {"train/loss": 1.0, "train/lr": 0.001, "train/images_per_second": 9.0}'
        events += [f'{{"t": {step}.0, "event": "metrics", "step": {step}, {metrics}}}' for step in range(18, 361, 18)]
        (folder / "journal.jsonl").write_text("\n".join([*events, '{"t": 361.0, "event": "finish"}', ""]))
        result = {"metrics": {"PCK@0.1": 0.5}, "steps": 360, "epochs": 20, "seconds": 9.0, "provenance": provenance}
        (folder / "result.json").write_text(json_text({"schema": 1, "run_id": run_id, **result}))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of this process and of the children it waits for."""

    def cpu() -> float:
        return sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    wall, before = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - wall, cpu() - before


def command(*arguments: object) -> Callable[[], object]:
    """The `distilpose` command with these arguments, its table thrown away."""
    line = [sys.executable, "-m", "experiments.cli.main", *map(str, arguments)]
    return lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


class LastClaimed(Exception):
    """Ends a launch once its one unfinished run has begun."""


def claim_last(store: Store, plan: Plan) -> Callable[[], object]:
    """Launch until the last unfinished run is claimed, which is then given back."""

    def work(job: Path, _: Callable[[], bool]) -> int:
        lease = store.run(last).claim()
        assert lease is not None
        lease.release()
        raise LastClaimed

    last = list(plan.runs)[-1]

    def launch() -> None:
        try:
            launch_plan(plan, store, InlineLauncher(work=work), LaunchSettings(data_root=lambda data: store.root))
        except LastClaimed:
            return
        raise AssertionError("the last run was never started")

    return launch


def no_ops(store: Store, plan: Plan, count: int) -> Callable[[], object]:
    """Launch a plan of which `count` runs are left, each of them over as soon as it begins."""

    def work(job: Path, _: Callable[[], bool]) -> int:
        (run_id,) = json.loads(job.read_text())["run_ids"]
        run = store.run(run_id)
        lease = run.claim()
        assert lease is not None
        with lease, run.journal(lease) as journal:
            journal.start(attempt=1, step=0, total_steps=1)
            journal.metrics(1, {"train/loss": 1.0})
            journal.finish()
            run.write_result({"metrics": {}, "steps": 0}, lease)
        return FINISHED

    settings = LaunchSettings(data_root=lambda data: store.root, poll_seconds=0.0)

    def launch() -> None:
        outcome = launch_plan(plan, store, InlineLauncher(work=work), settings)
        assert outcome.complete

    for run_id in list(plan.runs)[-count:]:
        shutil.rmtree(store.run(run_id).path)
    return launch


def measure(folder: Path, count: int, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of every repeat, by what was measured; `overhead` is of one run."""
    file = sweep_file(folder, count)
    empty, full = folder / "empty", Store(folder / f"full-{count}")
    plan = planned(file, full)
    fill(full, plan)
    found: dict[str, list[tuple[float, float]]] = {}

    def note(what: str, work: Callable[[], object], share: int = 1) -> None:
        wall, cpu = timed(work)
        found.setdefault(what, []).append((wall / share, cpu / share))

    for store in (empty, full.root):
        command("plan", file, "--runs", store)()  # asks the model what it costs, once
    for _ in range(repeats):
        note("plan", command("plan", file, "--runs", empty))
        note("replan", command("plan", file, "--runs", full.root))
        note("status", command("status", file, "--runs", full.root))
        shutil.rmtree(full.run(list(plan.runs)[-1]).path)
        note("claim", claim_last(full, plan))
        noops = min(NOOPS, count)
        note("overhead", no_ops(full, plan, noops), noops)
    shutil.rmtree(full.root)
    return found


def figures(settings: Settings) -> Iterator[Figure]:
    """How many times longer the many take than the few."""
    few, many = (10, 100) if settings.quick else (100, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        found = {count: measure(Path(folder), count, settings.rounds) for count in (few, many)}
    for what in found[few]:
        seconds = {count: [wall for wall, _ in found[count][what]] for count in found}
        yield Figure(
            what=f"{what}, {many:,} runs",
            against=f"{few:,} runs",
            ratios=ratios(seconds[many], seconds[few]),
            note=f"times as long: {timing(seconds[few])}, {timing(seconds[many])}"
            + (" a run" if what == "overhead" else ""),
        )
