"""One process: a planned cohort in, journals and results out.

    python -m experiments.run RUNS/jobs/COHORT.json

The job names the runs; what each of them is, its own run.json says. Exit codes: 0 when every run of the job that
nobody else holds is finished or failed and said so, 75 when it was asked to stop and the runs can go on later,
1 when it could not work at all.
"""

import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import ImageSource
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member
from experiments.build import (
    build_given_teacher,
    build_member,
    build_stream,
    build_validation,
    describe_run,
    load_splits,
    load_trained,
)
from experiments.given_teacher import given_teacher_id
from experiments.listener import RunListener, RunRecorder
from experiments.provenance import provenance
from experiments.recipe import RunRecipe, run_recipe_from_json
from experiments.store import FailureKind, RunDir, Store, run_title
from experiments.track.protocol import Tracker

log = logging.getLogger(__name__)

FINISHED, FAILED, PREEMPTED = 0, 1, 75


def run_job(file: Path, should_stop: Callable[[], bool] = lambda: False) -> int:
    """The exit code after training the runs that the job `file` names; see the module."""
    job = json.loads(file.read_text(encoding="utf-8"))
    store = Store(file.parent.parent)
    with ExitStack() as stack:
        claimed: list[RunRecorder] = []
        for run_id in job["run_ids"]:
            run = store.run(run_id)
            lease = run.claim()
            if lease is None:
                log.info("run %s: finished, or another process has it", run_id)
                continue
            stack.enter_context(lease)
            claimed.append(stack.enter_context(RunRecorder(run, lease)))
        if not claimed:
            return FINISHED
        try:
            return _train(job, store, claimed, should_stop)
        except Exception as error:
            log.exception("the cohort %s failed", job["cohort_id"])
            kind: FailureKind = "oom" if isinstance(error, torch.OutOfMemoryError | MemoryError) else "error"
            last = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
            for recorder in claimed:
                recorder.failed(message, kind)
            return FAILED


def _train(job: dict[str, Any], store: Store, claimed: list[RunRecorder], should_stop: Callable[[], bool]) -> int:
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    began = time.time()
    specs = {recorder.run.run_id: recorder.run.spec() for recorder in claimed}
    recipes = {run_id: run_recipe_from_json(spec["recipe"]) for run_id, spec in specs.items()}
    recipe = next(iter(recipes.values()))
    root = Path(job["data_root"])
    workers = int(job.get("workers", 0))
    train, val = load_splits(recipe.data, root)
    fabric = _fabric(job["device"], recipe)
    # On a CPU run pictures are read again and again by the one process there is; elsewhere workers read ahead.
    source = ImageSource("ram" if workers == 0 else "none")
    joints = train.skeleton.num_joints

    teacher = _teacher(store, specs, recipes, train.skeleton)
    members = []
    for recorder in claimed:
        run_id = recorder.run.run_id
        members.append(build_member(recipes[run_id], recorder.run, joints=joints, teacher=teacher))
    stream = build_stream(recipe, train, workers=workers, source=source)
    origin = {
        **provenance(),
        "data_fingerprint": {"train": train.fingerprint, "val": val.fingerprint},
        "precision": recipe.precision,
        "device": job["device"],
        "started": began,
    }
    for recorder, member in zip(claimed, members, strict=True):
        spec = specs[member.name]
        recorder.open(
            title=run_title(spec),
            trackers=_trackers(job, recorder.run, spec, origin),
            cohort={"id": job["cohort_id"], "size": len(job["run_ids"])},
            origin=origin,
            total_steps=member.schedule.epochs * stream.steps_per_epoch,
            weights_say=describe_run(recipes[member.name], train.skeleton).to_metadata(),
        )
    listener = RunListener(
        {recorder.run.run_id: recorder for recorder in claimed},
        val=val,
        input_size=recipe.input_size,
        source=source,
        teacher=teacher,
        pruned_by=job.get("search", {}).get("name", ""),
    )
    done = train_cohort(
        members,
        stream=stream,
        validate=build_validation(
            recipe,
            val,
            root=root,
            workers=workers,
            source=source,
            device=fabric.device,
            precision_context=fabric.autocast,
        ),
        listener=listener,
        fabric=fabric,
        teacher=teacher,
        metric=recipe.evaluation.best_by,
        should_stop=should_stop,
        should_end=_should_end(job, store, recipe),
    )
    return FINISHED if done else PREEMPTED


def _teacher(
    store: Store, specs: dict[str, dict[str, Any]], recipes: dict[str, RunRecipe], skeleton: Skeleton
) -> nn.Module | None:
    ids = {spec["teacher_id"] for spec in specs.values()} - {None}
    if not ids:
        return None
    assert len(ids) == 1, f"a cohort has one teacher, got {sorted(ids)}"
    teacher_id = ids.pop()
    for recipe in recipes.values():
        if recipe.given_teacher is not None:
            found = given_teacher_id(recipe.given_teacher)
            if found != teacher_id:
                raise ValueError(f"teacher: {recipe.given_teacher.checkpoint} is {found}, was planned as {teacher_id}")
            return build_given_teacher(recipe.given_teacher, joints=skeleton.names, input_size=recipe.input_size)
    run = store.run(teacher_id)
    if not run.finished:
        raise ValueError(f"teacher {run.run_id}: must be finished before its students train, is {run.state()}")
    return load_trained(run_recipe_from_json(run.spec()["recipe"]), run, joints=skeleton.num_joints)


def _should_end(job: dict[str, Any], store: Store, recipe: RunRecipe) -> Callable[[Member], bool]:
    """Whether the search that the job belongs to, if any, would end a run where it stands."""
    if "search" not in job:
        return lambda member: False
    from experiments.search_pruning import Pruning

    pruning = Pruning(store, job["search"], epochs=recipe.schedule.epochs)
    return lambda member: pruning.ends(member.name)


def _fabric(device: str, recipe: RunRecipe) -> Fabric:
    accelerator, _, index = device.partition(":")
    precision = "bf16-mixed" if recipe.precision == "bf16" else "32-true"
    devices: Any = [int(index)] if index else 1
    # One process, also where Fabric sees a batch system around it.
    return Fabric(accelerator=accelerator, devices=devices, precision=precision, plugins=[LightningEnvironment()])


def _trackers(job: dict[str, Any], run: RunDir, spec: dict[str, Any], origin: dict[str, Any]) -> list[Tracker]:
    wandb = job.get("wandb") or {"mode": "disabled"}
    if wandb["mode"] == "disabled":
        return []
    from experiments.track.wandb import WandbTracker

    row = spec["row"] or spec["recipe"]["model"]["model"]
    return [
        WandbTracker(
            run.run_id,
            name=run_title(spec),
            run_dir=run.path,
            project=wandb.get("project") or "distilpose",
            entity=wandb.get("entity"),
            group=f"{job['sweep']}.{job['profile']}",
            job_type=spec["role"],
            tags=(spec["role"], row),
            config={**spec["recipe"], "row": row, "commit": origin["commit"]},
            mode=wandb["mode"],
        )
    ]


def main() -> int:
    """Run the job named on the command line; SIGTERM, SIGINT and SIGUSR1 ask it to checkpoint and stop."""
    if len(sys.argv) != 2:
        print("usage: python -m experiments.run RUNS/jobs/COHORT.json", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(name, ask)
    return run_job(Path(sys.argv[1]), lambda: bool(asked))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
