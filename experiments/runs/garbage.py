"""Free the disk of what a store no longer needs, beside launchers at work.

Freed are
- orphans: runs that no saved plan wants (each launch replaces its sweep's plan);
- checkpoints of finished runs, whose result and weights stay;
- lives of runs that a merge replaced, while the other life is there;
- jobs, with their logs, whose runs are all finished or gone;
- kept copies of users' code that no run names, once every wanted run has begun;
- temporary files that a killed process left.

Never freed: a run that a living process holds, and its teacher; a result that a saved plan wants; data, reports,
replays; anything behind a symbolic link; a damaged run; a folder that is not named as a run, or holds files that no run
writes. While a saved plan is damaged, no run counts as an orphan. Files younger than an hour stay: a living process may
be using them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args
from uuid import uuid4

from experiments.runs.atomic import DamagedError
from experiments.runs.job import read_job
from experiments.runs.lease import acquire
from experiments.runs.status import wanted
from experiments.runs.store import RunDir, Store
from experiments.sweep.choices import FILE_NAME

Kind = Literal["orphaned run", "checkpoint", "replaced run", "job", "unused part", "temporary file"]
KINDS: tuple[Kind, ...] = get_args(Kind)
YOUNG_SECONDS = 3600.0

_JOB = re.compile(r"[0-9a-f]{12}(-[0-9a-f]{8})?\.(json|log)")
_CHECKPOINT = re.compile(r"step-\d+-[0-9a-f]{16}\.pt")
_REPLACED = re.compile(r"([0-9a-f]{12})\.[0-9a-f]{8}")  # as a merge names it
_DIGEST = re.compile(r"\b[0-9a-f]{12}\b")
# What a killed writer leaves: files not yet renamed, folders half removed, half a copy, synthetic people half drawn.
_TEMPORARY = re.compile(r"\.(.+\.)?[0-9a-f]{32}(\.tmp)?|\.synthetic-[0-9a-f]{12}\.\w{8}|\.[0-9a-f]{12}-\w{8}")

# What a run writes into its folder.
_OF_A_RUN = {
    *("run.json", "journal.jsonl", "lease", "failure.json", "stopped.json", "log.txt", "pruned.json"),
    *("diagnosis.json", "cost.json"),
    *("result.json", "predictions.json", "keypoints.npy", "measured.json", "elsewhere.json"),
    *("checkpoints", "pictures", "wandb", "tracked.json"),
}
_PER_PICTURE = re.compile(rf"per_picture\.({FILE_NAME}\.)?npz")
_OF_CHECKPOINTS = re.compile(rf"{_CHECKPOINT.pattern}|weights\.safetensors")
_NAMED = 5


def _is_of_a_run(name: str) -> bool:
    return name in _OF_A_RUN or any(pattern.fullmatch(name) for pattern in (_PER_PICTURE, _TEMPORARY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """A file or folder that can go: its bytes on disk, and why."""

    kind: Kind
    path: Path
    size: int
    why: str
    run_id: str | None = None


class Survey(NamedTuple):
    """What can go, by kind; and what is damaged or not ours, a line each, with the remedy."""

    waste: list[Waste]
    left_alone: list[str]


def survey(store: Store) -> Survey:
    """Everything that can go by the policy of this module. Changes nothing.

    Raises ValueError where there is no saved plan: nothing tells which runs are wanted.
    """
    _check_plans(store)
    known = wanted(store)
    left_alone = [f"{error}; while it is there, no run counts as unwanted" for error in store.read_plans()[1]]
    found = [*_in_runs(store, known, left_alone), *_replaced(store), *_jobs(store, left_alone)]
    found += [*_parts(store, known), *_temporary(store)]
    return Survey(sorted(found, key=lambda waste: KINDS.index(waste.kind)), left_alone)


def find_waste(store: Store) -> list[Waste]:
    """What `survey` finds that can go."""
    return survey(store).waste


def free(store: Store, waste: Iterable[Waste]) -> Iterator[tuple[Waste, bool]]:
    """Remove what was found; yields each with whether it is gone. What is in use or wanted again stays."""
    for one in waste:
        if one.kind == "orphaned run":
            assert one.run_id is not None
            yield one, _free_run(store, store.run(one.run_id))
        elif one.kind == "checkpoint":
            assert one.run_id is not None
            yield one, store.run(one.run_id).state() == "finished" and _remove(one.path)
        elif one.kind == "unused part":
            yield one, one.path in {part.path for part in _parts(store, wanted(store))} and _remove(one.path)
        else:
            yield one, _remove(one.path)


def _check_plans(store: Store) -> None:
    if not store.plans():
        raise ValueError(
            f"{store.root}: there is no saved plan, so nothing tells which runs are wanted; launch a sweep, or name "
            "the folder of runs with --runs"
        )


def _is_wanted(store: Store, run_id: str) -> bool:
    """Whether a saved plan wants the run, or may, being damaged."""
    _check_plans(store)
    known = wanted(store)
    return known is None or run_id in known


def _in_runs(store: Store, known: set[str] | None, left_alone: list[str]) -> Iterator[Waste]:
    runs = [run for run in store.runs() if not run.path.is_symlink()]
    orphans = {run.run_id for run in runs if known is not None and run.run_id not in known}
    in_use = {run_id for run_id in orphans if store.run(run_id).holder() is not None}
    for run_id in list(in_use):
        try:
            spec = store.run(run_id).spec()
            in_use |= {spec["teacher_id"] or run_id, spec["identity"].get("start") or run_id}
        except DamagedError as error:  # nothing tells its teacher, which is in use
            left_alone.append(f"{error}; while a process has this run, no run is freed")
            in_use |= orphans
    for run in runs:
        if run.run_id in orphans:
            why_not = run.damage() or _strangers(run)
            if why_not:
                left_alone.append(why_not)
            elif run.run_id not in in_use:
                yield Waste(
                    kind="orphaned run",
                    path=run.path,
                    size=size_of(run.path),
                    why=f"no saved plan wants it ({run.state()})",
                    run_id=run.run_id,
                )
        elif run.state() == "finished" and not run.checkpoints.is_symlink():
            for path in _entries(run.checkpoints):
                if _CHECKPOINT.fullmatch(path.name) and _is_file(path):
                    why = "its run is finished"
                    yield Waste(kind="checkpoint", path=path, size=size_of(path), why=why, run_id=run.run_id)


def _strangers(run: RunDir) -> str | None:
    """Why an orphan's folder stays: it holds files that no run writes."""
    found = [path for path in _entries(run.path) if not _is_of_a_run(path.name)]
    found += [
        path
        for path in ([] if run.checkpoints.is_symlink() else _entries(run.checkpoints))
        if not (_OF_CHECKPOINTS.fullmatch(path.name) or _TEMPORARY.fullmatch(path.name))
    ]
    if not found:
        return None
    names = ", ".join(str(path.relative_to(run.path)) for path in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{run.path}: no saved plan wants it, and it holds what no run wrote: {names}{more}; move that elsewhere"


def _replaced(store: Store) -> Iterator[Waste]:
    """Lives of runs that a merge moved aside; none whose run is no longer there."""
    folder = store.root / "replaced"
    for path in [] if folder.is_symlink() else _entries(folder):
        named = _REPLACED.fullmatch(path.name)
        if named and not path.is_symlink() and store.run(named[1]).path.exists():
            why = "a merge put another life of this run in its place"
            yield Waste(kind="replaced run", path=path, size=size_of(path), why=why)


def _jobs(store: Store, left_alone: list[str]) -> Iterator[Waste]:
    """Files of jobs without unfinished runs, whose logs somebody may want."""
    for path in _entries(store.root / "jobs"):
        if not _JOB.fullmatch(path.name) or not _is_file(path) or _is_young(path):
            continue
        try:
            job = read_job(path.with_suffix(".json"))
        except ValueError as error:
            left_alone.append(f"{error}; remove it")
            continue
        runs = [] if job is None else [store.run(run_id) for run_id in job.run_ids]
        if all(run.finished or not run.path.exists() for run in runs):
            yield Waste(kind="job", path=path, size=size_of(path), why="its runs are finished or gone")


def _parts(store: Store, known: set[str] | None) -> Iterator[Waste]:
    """Kept copies of users' code that no run names; none while a wanted run has not begun, which may name any."""
    kept = [path for path in _entries(store.parts) if _DIGEST.fullmatch(path.name) and not path.is_symlink()]
    kept = [path for path in kept if not _is_young(path)]
    runs = {run.run_id: run for run in store.runs()} if kept else {}
    if known is None or not known <= runs.keys():
        return
    named: set[str] = set()
    for run in runs.values():
        named.update(_DIGEST.findall((run.path / "run.json").read_text(errors="replace")))
    for path in kept:
        if path.name not in named:
            yield Waste(kind="unused part", path=path, size=size_of(path), why="no run names it")


def _temporary(store: Store) -> Iterator[Waste]:
    places = [store.root, *(store.root / name for name in ("sweeps", "jobs", "parts", "data", "provenance", "wandb"))]
    for run in store.runs():
        places += [run.path, run.path / "lease", run.checkpoints]
    for name in ("reports", "searches", "slurm"):  # folders of folders
        places += [Path(folder) for folder, _, _ in os.walk(store.root / name)]
    for place in places:
        if place != store.root and place.is_symlink():
            continue
        for path in _entries(place):
            if _TEMPORARY.fullmatch(path.name) and not path.is_symlink() and not _is_young(path):
                yield Waste(kind="temporary file", path=path, size=size_of(path), why="left by a process that ended")


def _free_run(store: Store, run: RunDir) -> bool:
    """Take the run's lease, so that nobody trains it; move it aside; remove it unless it is wanted by now.

    A launch saves its plan before it looks for results. So either this process sees the plan and puts the run back, or
    the launch comes later and finds no result.
    """
    if run.path.is_symlink() or not run.path.exists() or _strangers(run):
        return False
    lease = acquire(run.path / "lease")
    if lease is None:
        return False
    aside = store.root / f".freed.{uuid4().hex}"
    if _is_wanted(store, run.run_id):
        lease.release()
        return False
    run.path.rename(aside)
    if _is_wanted(store, run.run_id) and not run.path.exists():
        aside.rename(run.path)
        lease.release()
        return False
    shutil.rmtree(aside)
    return True


def _remove(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return False
    return True


def size_of(path: Path) -> int:
    """The bytes that removing a file or folder frees: none for a hard link to a file that stays."""
    total = 0
    pending = [path]
    while pending:
        here = pending.pop()
        try:
            status = here.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            pending += _entries(here)
        elif status.st_nlink == 1:
            total += status.st_size
    return total


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_young(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime < YOUNG_SECONDS
