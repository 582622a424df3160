"""The store: a directory of runs, plans and jobs, all that launchers, runs and reports share. Imports no torch.

runs/<run_id>/                       a run; see `run_dir`
runs/parts/<digest>/                 a user's own code as it was planned, which runs import
runs/sweeps/<sweep>.<profile>.json   plans
runs/jobs/<cohort_id>-<how>.json     what one process is to do
runs/cohorts/<cohort_id>             which launch has a process for it
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.runs.atomic import DamagedError, ForeignError, json_text, read_json, write_whole
from experiments.runs.lease import Lease, Watch, acquire
from experiments.runs.run_dir import AlreadyFinishedError, JsonFile, Progress, RunDir, State, run_title
from experiments.runs.run_files import Failure, FailureKind
from experiments.runs.saved_plan import SavedPlan
from experiments.sweep.choices import FILE_NAME

__all__ = [
    "AlreadyFinishedError", "Failure", "FailureKind", "JsonFile", "Progress", "RunDir", "State", "Store", "ids_like",
    "run_title",
]  # fmt: skip

_RUN_ID = re.compile(r"[0-9a-f]{12}")
_PLAN = re.compile(rf"({FILE_NAME})\.({FILE_NAME})\.json")
_WHAT_IS_LEFT = {"run_ids", "micro_batch"}  # of a job: changes from one attempt to the next


def ids_like(reference: str, known: Collection[str]) -> list[str]:
    """The id itself where it is known, else those that begin like it; four letters at least."""
    if reference in known:
        return [reference]
    return [run_id for run_id in known if len(reference) >= 4 and run_id.startswith(reference)]


class Store:
    """A directory of runs, plans and jobs."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._watch = Watch()

    def run(self, run_id: str) -> RunDir:
        """The directory of one run, which need not exist yet."""
        return RunDir(self.root / run_id, self._watch)

    def runs(self) -> list[RunDir]:
        """Every run that was launched, by id. A folder that is not named as an id is no run."""
        ids = sorted(name for name in self.names() if _RUN_ID.fullmatch(name))
        return [run for run in map(self.run, ids) if os.path.lexists(run.path / "run.json")]

    @property
    def parts(self) -> Path:
        """The folder of kept copies of users' own code, by digest."""
        return self.root / "parts"

    def names(self) -> set[str]:
        """The names of everything in the store, among them the ids of all runs that have begun."""
        try:
            return {entry.name for entry in os.scandir(self.root)}
        except FileNotFoundError:
            return set()

    def states(self, run_ids: Iterable[str]) -> dict[str, State]:
        """The state of each of these runs; those that have not begun cost nothing."""
        there = self.names()
        return {run_id: self.run(run_id).state() if run_id in there else "planned" for run_id in run_ids}

    def save_plan(self, plan: SavedPlan) -> Path:
        """Save a plan in place of the sweep's earlier one, damaged or not; returns its file.

        Raises ForeignError where the file is another sweep's, as on a disk to which `A` and `a` are one name.
        """
        path = self._plan_file(plan.sweep, plan.profile)
        try:
            if self.load_plan(plan.sweep, plan.profile) == plan:
                path.touch()  # every worker of a cluster saves the same
                return path
        except ForeignError:
            raise
        except (DamagedError, FileNotFoundError):
            pass
        write_whole(path, json_text(plan.json()))
        return path

    def load_plan(self, sweep: str, profile: str) -> SavedPlan:
        """The plan last saved. Raises DamagedError, or FileNotFoundError naming the plans there are."""
        path = self._plan_file(sweep, profile)
        try:
            plan = read_json(path, SavedPlan)
        except DamagedError as error:
            raise DamagedError(path, f"{error.why}; launch the sweep again to write it anew, or remove it") from error
        if plan is None:
            there = ", ".join(f"{name} ({size})" for name, size in self.plans()) or "none"
            raise FileNotFoundError(
                f"no plan of {sweep} ({profile}) in {self.root}: launch it first; plans there: {there}"
            )
        if (plan.sweep, plan.profile) != (sweep, profile):
            raise ForeignError(path, f"it is the plan of {plan.sweep} ({plan.profile}); remove or rename it")
        return plan

    def plans(self) -> list[tuple[str, str]]:
        """The sweep and profile of every saved plan; files of other names are no plans."""
        found = (_PLAN.fullmatch(path.name) for path in sorted(self.root.glob("sweeps/*.json")))
        return [(match[1], match[2]) for match in found if match is not None]

    def read_plans(self) -> tuple[list[SavedPlan], list[DamagedError]]:
        """Every saved plan that can be read, and why the others cannot."""
        plans, damaged = [], []
        for name in self.plans():
            try:
                plans.append(self.load_plan(*name))
            except DamagedError as error:
                damaged.append(error)
            except FileNotFoundError:  # removed since
                continue
        return plans, damaged

    def claim_cohort(self, cohort_id: str) -> Lease | None:
        """The right to start a process for the cohort's runs; None where another launch on any machine has it.

        It spares the start of processes that would find their runs taken: what may be written, the runs' leases decide.
        """
        directory = self.root / "cohorts" / cohort_id
        return acquire(directory) if self._watch.evict(directory) else None

    def write_job(self, job: Mapping[str, Any]) -> Path:
        """Write a job; returns its file, named after the cohort and how it is to work.

        So launchers that train a cohort on different devices write different files, and one that only changes which
        runs are left writes the same file.
        """
        how = json_text({name: job[name] for name in sorted(job.keys() - _WHAT_IS_LEFT)})
        path = self.root / "jobs" / f"{job['cohort_id']}-{hashlib.sha256(how.encode()).hexdigest()[:8]}.json"
        write_whole(path, json_text(dict(job)))
        return path

    def _plan_file(self, sweep: str, profile: str) -> Path:
        return self.root / "sweeps" / f"{sweep}.{profile}.json"
