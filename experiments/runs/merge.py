"""Several folders of runs as one: runs, plans, users' code, logs. Data, caches and reports stay where they are.

Of two lives of a run a finished one beats an unfinished one, and the newer of two alike wins: that whose journal ends
later. What was there and lost is moved to `replaced/`. A run is copied aside, verified there, and renamed into place,
so a merge can be killed and repeated. Sources are only read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from uuid import uuid4

from experiments.runs.atomic import DamagedError
from experiments.runs.lease import acquire, is_here
from experiments.runs.saved_plan import SavedPlan, SavedRow
from experiments.runs.store import RunDir, Store


@dataclass(slots=True, kw_only=True)
class Merged:
    """What became of the runs, by id, which plans were written, and what to tell."""

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What became of runs and plans, for people."""
        counts = {
            "added": self.added, "replaced": self.replaced, "given files that they lacked": self.completed,
            "there already": self.kept,
        }  # fmt: skip
        said = [f"{len(ids)} run{' was' if len(ids) == 1 else 's were'} {what}" for what, ids in counts.items() if ids]
        plans = [f"plans: {', '.join(self.plans)}"] if self.plans else []
        return [*said, *plans, *self.notes, *(f"left out: {why}" for why in self.left_out)]


def merge(sources: Sequence[Path], into: Path) -> Merged:
    """Bring every sound run and plan of the sources into a folder, which may have runs already.

    Raises ValueError for a source that is no folder of runs, or is `into`.
    """
    for source in sources:
        if not (source / "sweeps").is_dir() and not Store(source).runs():
            raise ValueError(f"{source}: must be a folder of runs, and there are no runs and no plans")
        if source.resolve() == into.resolve():
            raise ValueError(f"{source}: is --into itself; leave it out")
    target, done = Store(into), Merged()
    into.mkdir(parents=True, exist_ok=True)
    for store in map(Store, sources):
        _copy_beside(store, target, done)
        for run in store.runs():
            _merge_run(run, target, done)
    for name in dict.fromkeys(name for source in sources for name in Store(source).plans()):
        _merge_plan(name, [Store(source) for source in sources], target, done)
    return done


def _fault(run: RunDir) -> str | None:
    """What is wrong with a run's files."""
    if (damage := run.damage()) is not None:
        return damage
    fault = run.journal_fault(run.result())
    return None if fault is None else f"{run.path}: {fault}"


def _in_use(run: RunDir) -> str | None:
    """Whether a process of this machine trains the run; of a copy from elsewhere nobody can tell."""
    owner = None if run.finished else run.holder()
    if owner is None or not is_here(owner):
        return None
    return f"{run.path}: process {owner.pid} is training it; merge again when it has ended"


def _life(run: RunDir) -> tuple[bool, float]:
    """Which of two lives wins: the greater."""
    last = run.last_event()
    return run.finished, 0.0 if last is None else float(last["t"])


def _same_life(run: RunDir, other: RunDir) -> bool:
    if run.finished != other.finished:
        return False
    name = "result.json" if run.finished else "journal.jsonl"
    return _bytes(run.path / name) == _bytes(other.path / name)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _merge_run(run: RunDir, target: Store, done: Merged) -> None:
    there = target.run(run.run_id)
    if why := _fault(run) or _in_use(run) or _in_use(there):
        done.left_out.append(why)
    elif not there.path.exists():
        _put(run, target)
        done.added.append(run.run_id)
    elif _fault(there) is not None:
        _replace(run, there, target, done)
    elif _same_life(run, there):
        (done.completed if _add_lacking(run, there) else done.kept).append(run.run_id)
    elif _life(run) > _life(there):
        _replace(run, there, target, done)
    else:
        done.kept.append(run.run_id)
        if run.finished:
            done.notes.append(f"{run.run_id} was finished twice: {there.path} stays, {run.path} is not newer")


def _replace(run: RunDir, there: RunDir, target: Store, done: Merged) -> None:
    """Put a run in the place of another life of it, which nobody trains and which is moved aside."""
    lease = acquire(there.path / "lease")
    if lease is None:
        done.left_out.append(f"{there.path}: a process holds it; merge again when it has ended")
        return
    aside = target.root / "replaced" / f"{run.run_id}.{uuid4().hex[:8]}"
    aside.parent.mkdir(exist_ok=True)
    try:
        _put(run, target, aside=aside)
    finally:
        lease.release()
    done.replaced.append(run.run_id)
    done.notes.append(f"{run.run_id} is by {run.path.parent} now; what was there is in {aside}")


def _put(run: RunDir, target: Store, aside: Path | None = None) -> None:
    """Copy a run and rename it into place, after what is there is renamed to `aside`."""
    folder = target.root / f".merge.{uuid4().hex}"  # of a killed merge, gc removes it
    copy = RunDir(folder / run.run_id)
    try:
        shutil.copytree(
            run.path, copy.path, ignore=lambda folder, names: _ignored(run, folder, names), copy_function=_copy_synced
        )  # fmt: skip
        if fault := _fault(copy):
            raise DamagedError(run.path, f"changed while it was copied ({fault})")
        if aside is not None:
            (target.root / run.run_id).rename(aside)
        copy.path.rename(target.root / run.run_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _left(run: RunDir) -> tuple[str, ...]:
    """Files that say nothing elsewhere: whose the run is, what a killed writer left, checkpoints of a finished one."""
    return ("lease", ".*", *(["step-*.pt"] if run.finished else []))


def _ignored(run: RunDir, folder: str, names: Iterable[str]) -> set[str]:
    """Of the names in a folder of the run, those that are not copied; links that lead nowhere too."""
    return {
        name for name in names if any(fnmatch(name, left) for left in _left(run)) or not Path(folder, name).exists()
    }


def _copy_synced(source: str, target: str) -> None:
    shutil.copy2(source, target)
    with open(target, "rb") as file:  # noqa: PTH123
        os.fsync(file.fileno())


def _add_lacking(run: RunDir, there: RunDir) -> bool:
    """Whether the copy had files that the run lacked, weights say; they are added."""
    lacking = [
        path.relative_to(run.path)
        for path in run.path.rglob("*")
        if path.is_file()
        and not any(fnmatch(part, left) for part in path.relative_to(run.path).parts for left in _left(run))
        and not os.path.lexists(there.path / path.relative_to(run.path))
    ]
    for name in lacking:
        _add(run.path / name, there.path / name)
    return bool(lacking)


def _add(source: Path, place: Path) -> None:
    """Copy a file or folder to a place where there is nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{uuid4().hex}")
    if source.is_dir():
        shutil.copytree(source, beside, copy_function=_copy_synced)
    else:
        _copy_synced(str(source), str(beside))
    beside.rename(place)


def _copy_beside(source: Store, target: Store, done: Merged) -> None:
    """Copy what runs refer to: users' code by digest, changes to this code by checksum, jobs with their logs."""
    for folder in ("parts", "provenance", "jobs"):
        for path in sorted((source.root / folder).glob("[!.]*")):
            place = target.root / folder / path.name
            if folder == "provenance" and hashlib.sha256(path.read_bytes()).hexdigest() != path.stem:
                done.left_out.append(f"{path}: damaged: its name is not its content's checksum")
            elif not place.exists():
                _add(path, place)


def _merge_plan(name: tuple[str, str], sources: Sequence[Store], target: Store, done: Merged) -> None:
    """Join the plans of one sweep, the newest first."""
    found: list[tuple[float, SavedPlan]] = []
    for store in (target, *sources):
        try:
            plan = store.load_plan(*name)
        except FileNotFoundError:
            continue
        except DamagedError as error:
            done.left_out.append(str(error))
            if store is target:
                return
            continue
        found.append(((store.root / "sweeps" / f"{plan.name}.json").stat().st_mtime, plan))
    plans = [plan for _, plan in sorted(found, key=lambda one: -one[0])]
    if not plans:
        return
    joined = plans[0]
    for plan in plans[1:]:
        joined, said = joined_plans(joined, plan)
        done.notes += said
    if (target.root / "sweeps" / f"{joined.name}.json").exists() and target.load_plan(*name) == joined:
        return
    target.save_plan(joined)
    done.plans.append(joined.name)


def joined_plans(plan: SavedPlan, older: SavedPlan) -> tuple[SavedPlan, list[str]]:
    """A plan with the rows and seeds that an older one of its sweep has more, and what could not be joined."""
    if plan == older:
        return plan, []
    if plan.search is not None or older.search is not None:
        same = plan.search == older.search
        return plan, [] if same else [f"{plan.name}: two states of one search are not joined: the newer plan stays"]
    rows = {row.name: row for row in plan.rows}
    placed = {run.run_id: row.name for row in plan.rows for run in row.runs}
    said = []
    for row in older.rows:
        name = next((placed[run.run_id] for run in row.runs if run.run_id in placed), row.name)
        if name not in rows:
            rows[name] = row
            continue
        rows[name], clashing = _joined_rows(rows[name], row)
        if clashing:
            seeds = ", ".join(map(str, clashing))
            said.append(f"{plan.name}: row {name!r} has other runs in two plans (seeds {seeds}): the newer plan's stay")
    every = sorted({run.seed for row in rows.values() for run in row.runs})
    joined = replace(
        plan,
        rows=tuple(rows.values()),
        teachers=tuple({one.run_id: one for one in (*plan.teachers, *older.teachers)}.values()),
        cohorts=tuple({one.cohort_id: one for one in (*plan.cohorts, *older.cohorts)}.values()),
        data={**older.data, **plan.data},
        settings={**plan.settings, "seeds": ", ".join(map(str, every))},
    )
    return joined, said


def _joined_rows(row: SavedRow, older: SavedRow) -> tuple[SavedRow, list[int]]:
    """A row with the seeds of an older one that it lacks, and the seeds that both have by other runs."""
    known = {run.seed: run.run_id for run in row.runs}
    more = [run for run in older.runs if run.seed not in known]
    clashing = [run.seed for run in older.runs if known.get(run.seed, run.run_id) != run.run_id]
    return replace(row, runs=tuple(sorted((*row.runs, *more), key=lambda run: run.seed))), clashing
