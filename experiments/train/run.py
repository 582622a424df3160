"""One process: a planned cohort in, journals and results out.

    python -P -m experiments.train.run RUNS/jobs/COHORT.json

The job names the runs; each run.json says what the run is. Exit codes: 0 when every run that nobody else holds has
finished or recorded its failure, 75 when asked to stop with runs left to resume, 1 when it could not work at all.
"""

import errno
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import nn

from distilpose.data.coco import PoseData
from distilpose.data.picture_store import PictureStore
from distilpose.data.skeleton import Skeleton
from distilpose.data.sources import ImageSource, image_source
from distilpose.evaluation.metrics import metric_of
from distilpose.models.frozen import freeze
from distilpose.training.cohort import train_cohort
from distilpose.training.compiled import compile_parts, room_for_versions
from distilpose.training.member import Member
from distilpose.training.memory import is_out_of_memory
from distilpose.training.ranks import Ranks, meet
from distilpose.versions import ALL, source_digest
from experiments.build.models import (
    build_given_teacher,
    build_member,
    build_stream,
    build_validation,
    describe_run,
    load_splits,
    load_trained,
)
from experiments.plan.external_teacher import given_teacher_id
from experiments.runs.job import FAILED, FINISHED, PREEMPTED, Job, read_job
from experiments.runs.provenance import provenance
from experiments.runs.run_files import RunSpec
from experiments.runs.store import FailureKind, RunDir, Store, run_title
from experiments.sweep.recipe import RunRecipe
from experiments.track.card import run_card
from experiments.track.courier import Courier
from experiments.track.protocol import Service
from experiments.track.replay import outputs_of
from experiments.track.tracker import Tracker
from experiments.track.trackers import open_service
from experiments.train.elsewhere import OtherSets
from experiments.train.recorder import RunListener, RunRecorder

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


def run_job(file: Path, should_stop: Callable[[], bool] = lambda: False) -> int:
    """The exit code after training the runs that the job `file` names; see the module."""
    job = read_job(file)
    if job is None:
        raise ValueError(f"{file}: there is no such job")
    store = Store(file.parent.parent)
    with ExitStack() as stack:
        couriers = _couriers(job, stack)  # entered first: trackers finish when the runs are over
        claimed: list[RunRecorder] = []
        try:
            devices = _devices(job.device)
            meet(devices[int(os.environ.get("LOCAL_RANK", 0))])
            ranks = Ranks()
            for run_id in job.run_ids if ranks.leads else ():
                run = store.run(run_id)
                lease = None if run.is_stopped else run.claim()
                if lease is None:
                    log.info("run %s: finished, stopped, or another process has it", run_id)
                    continue
                stack.enter_context(lease)
                run.link_log(file.with_suffix(".log"), lease)
                claimed.append(stack.enter_context(RunRecorder(run, lease)))
            run_ids = ranks.of_first([recorder.run.run_id for recorder in claimed])
            if not run_ids:
                return FINISHED
            return _train(job, store, run_ids, claimed, ranks, couriers, should_stop, stack)
        except Exception as error:
            log.exception("the cohort %s failed", job.cohort_id)
            kind = _kind(error)
            last = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
            for recorder in claimed:
                recorder.failed(message, kind, did_not_fit=_at_once(job, recorder) if kind == "oom" else None)
            return FAILED


def _kind(error: Exception) -> FailureKind:
    if is_out_of_memory(error):
        return "oom"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk"
    return "error"


def _at_once(job: Job, recorder: RunRecorder) -> int:
    """How many people went through a model at once."""
    share: int = recorder.run.spec()["recipe"]["schedule"]["batch_size"] // int(os.environ.get("WORLD_SIZE", 1))
    return min(share, job.micro_batch or share)


def _train(
    job: Job,
    store: Store,
    run_ids: Sequence[str],
    claimed: Sequence[RunRecorder],
    ranks: Ranks,
    couriers: Sequence[tuple[Service, Courier]],
    should_stop: Callable[[], bool],
    stack: ExitStack,
) -> int:
    """The exit code after training claimed runs. Only the first process has their recorders.

    What must be closed is entered into `stack`.
    """
    torch.set_num_threads(job.threads)
    began = time.time()
    specs = {run_id: store.run(run_id).spec() for run_id in run_ids}
    recipes = {run_id: store.run(run_id).recipe() for run_id in run_ids}
    recipe = next(iter(recipes.values()))
    train, val = load_splits(recipe.data, job.data_root)
    fabric = _fabric(_devices(job.device), recipe, ranks)
    train_pictures, val_pictures = _pictures(job, train, val, stack)

    teacher = _teacher(store, specs, recipes, train.skeleton)
    asides = {recorder.run.run_id: recorder.lease.aside for recorder in claimed}
    members = [
        build_member(
            recipes[run_id],
            store.run(run_id),
            skeleton=train.skeleton,
            parts=store.parts,
            teacher=teacher,
            start=_start(store, specs[run_id]),
            aside=asides.get(run_id),
        )
        for run_id in run_ids
    ]
    if teacher is not None:
        freeze(teacher, recipe.input_size)  # after its students started from its weights
    if recipe.compile:
        stack.enter_context(room_for_versions())
        compile_parts(members, teacher)
    share = (ranks.rank, ranks.size)
    stream = build_stream(recipe, train, workers=job.workers, source=train_pictures, device=job.device, share=share)
    told = job.to_json()
    origin = {
        **provenance(store.root),
        "data_fingerprint": {"train": train.fingerprint, "val": val.fingerprint},
        "precision": recipe.precision,
        "device": job.device,
        "processes": ranks.size,
        "started": began,
        "job": {
            name: told[name] for name in ("sweep", "profile", "data_root", "threads", "workers", "cache", "metric")
        },
    }
    for recorder, member in zip(claimed, members, strict=ranks.leads):
        spec = specs[member.name]
        recorder.open(
            title=run_title(spec),
            trackers=_trackers(job, recorder.run, spec, origin, couriers),
            cohort={"id": job.cohort_id, "size": len(job.run_ids)},
            origin={**origin, "code": _code_of(spec)},
            total_steps=member.schedule.epochs * stream.steps_per_epoch,
            micro_batch=job.micro_batch,
            weights_say=describe_run(recipes[member.name], train.skeleton).to_metadata(),
        )
    best_by = recipe.evaluation.best_by
    extra = [] if job.metric is None else [metric_of(job.metric)]
    listener = None
    if ranks.leads:
        listener = RunListener(
            {recorder.run.run_id: recorder for recorder in claimed},
            val=val,
            input_size=recipe.input_size,
            source=val_pictures,
            teacher=teacher,
            pruned_by=(job.search or {}).get("name", ""),
            metrics=extra,
            elsewhere=OtherSets(
                job.evaluate_on,
                train.skeleton,
                metric=job.metric,
                workers=job.workers,
                device=fabric.device,
                precision_context=fabric.autocast,
            )
            if job.evaluate_on
            else None,
        )
    done = train_cohort(
        members,
        stream=stream,
        validate=build_validation(
            recipe,
            val,
            root=job.data_root,
            workers=job.workers,
            source=val_pictures,
            device=fabric.device,
            precision_context=fabric.autocast,
            should_stop=should_stop,
            metrics=extra,
            parts=store.parts,
        ),
        listener=listener,
        fabric=fabric,
        teacher=teacher,
        metric=best_by.title,
        higher_is_better=best_by.higher_is_better,
        micro_batch=job.micro_batch,
        should_stop=should_stop,
        should_end=_should_end(job, store, recipe),
        stopped=_stopped([store.run(run_id) for run_id in run_ids]),
        ranks=ranks,
    )
    ranks.wait()  # torchrun stops the others when one ends with a code
    return FINISHED if done else PREEMPTED


def _pictures(job: Job, train: PoseData, val: PoseData, stack: ExitStack) -> tuple[ImageSource, ImageSource]:
    """Where the pictures of the two splits come from: no number depends on it."""
    if job.cache is not None:
        stores = [PictureStore(split, job.cache) for split in (train, val)]
        for store in stores:
            stack.enter_context(closing(store))
        return stores[0], stores[1]
    # On a CPU run pictures are read again and again by the one process there is; elsewhere workers read ahead.
    source = image_source("ram" if job.workers == 0 else "none")
    return source, source


def _teacher(
    store: Store, specs: dict[str, RunSpec], recipes: dict[str, RunRecipe], skeleton: Skeleton
) -> nn.Module | None:
    ids = {spec["teacher_id"] for spec in specs.values() if spec["teacher_id"] is not None}
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
    state = run.state()
    if state != "finished":
        raise ValueError(f"teacher {run.run_id}: must be finished before its students train, is {state}")
    return load_trained(run.recipe(), run, skeleton=skeleton, parts=store.parts)


def _start(store: Store, spec: RunSpec) -> RunDir | None:
    """The run that this one begins from."""
    start_id = spec["identity"].get("start")
    if start_id is None:
        return None
    run = store.run(start_id)
    if (state := run.state()) != "finished":
        raise ValueError(f"start {start_id}: must be finished before what begins from it trains, is {state}")
    return run


def _should_end(job: Job, store: Store, recipe: RunRecipe) -> Callable[[Member], bool]:
    """Whether the job's search, if any, would end a run where it stands."""
    if job.search is None:
        return lambda member: False
    from experiments.search.pruning import Pruning

    pruning = Pruning(store, job.search, epochs=recipe.schedule.epochs)
    return lambda member: pruning.ends(member.name)


def _stopped(runs: Sequence[RunDir]) -> Callable[[], Sequence[str]]:
    """Tells the runs that the user stopped, looked at about once a second."""
    looked, found = time.monotonic(), list[str]()

    def stopped() -> Sequence[str]:
        nonlocal looked, found
        if time.monotonic() - looked > _LOOK_SECONDS:
            looked, found = time.monotonic(), [run.run_id for run in runs if run.is_stopped]
        return found

    return stopped


def _devices(device: str) -> list[torch.device]:
    """The device of each process on this machine; `device` is cpu, cuda, or such as cuda:1 or cuda:0,1."""
    kind, _, numbers = device.partition(":")
    if kind == "cpu":
        return [torch.device("cpu")] * int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    indices = numbers.split(",") if numbers else range(int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    return [torch.device(kind, int(index)) for index in indices]


def _fabric(devices: Sequence[torch.device], recipe: RunRecipe, ranks: Ranks) -> Fabric:
    mixing = [use.name for use in recipe.losses or () if use.mixes_people]
    if ranks.size > 1 and mixing:
        raise ValueError(f"losses.{mixing[0]}: mixes all people of a batch, which several processes share; use one")
    kind = devices[0].type
    together = ranks.size > 1
    fabric = Fabric(
        accelerator=kind,
        devices=len(devices) if kind == "cpu" else [device.index for device in devices],
        num_nodes=ranks.size // len(devices) if together else 1,
        strategy="ddp" if together else "auto",
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        # Without torchrun it is one process, also where Fabric sees a batch system around it.
        plugins=[TorchElasticEnvironment() if together else LightningEnvironment()],
    )
    if together:
        fabric.launch()  # starts nothing: the processes are there
    return fabric


def _couriers(job: Job, stack: ExitStack) -> list[tuple[Service, Courier]]:
    """The services that show the runs, each with a courier of its own, which `stack` closes."""
    services = [open_service(tracker) for tracker in job.track]
    return [(service, stack.enter_context(Courier(service.process))) for service in services]


def _code_of(spec: RunSpec) -> dict[str, str]:
    """The digest of each piece of our code that the run uses, as it stands."""
    return {name: source_digest(name) for name in spec["identity"]["code"] if name in ALL}


def _trackers(
    job: Job, run: RunDir, spec: RunSpec, origin: dict[str, Any], couriers: Sequence[tuple[Service, Courier]]
) -> list[Tracker]:
    card = run_card(run.run_id, spec, sweep=job.sweep, profile=job.profile, commit=origin["commit"])
    outputs = outputs_of(run, spec["teacher_id"])
    return [
        Tracker(card, run_dir=run.path, service=service, courier=courier, outputs=outputs)
        for service, courier in couriers
    ]


def main() -> int:
    """Run the job named on the command line; SIGTERM, SIGINT and SIGUSR1 ask it to checkpoint and stop."""
    if len(sys.argv) != 2:
        print("usage: python -P -m experiments.train.run RUNS/jobs/COHORT.json", file=sys.stderr)
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
