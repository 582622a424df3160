"""The time that a launch still takes, once its own processes have shown it."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.launch.records import LaunchProgress
from experiments.plan.estimate import planned_steps
from experiments.plan.plan import Plan
from experiments.plan.step_times import step_kind
from experiments.runs.saved_plan import SavedCohort

SEEN = 0.1  # of a process's steps, with a validation among them, or SEEN_WITHOUT: before that its pace is not known
SEEN_WITHOUT = 0.5
_Kind = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Process:
    """A cohort's process as this launch saw it: when it began, and when and at which step it first moved on."""

    begun: float
    at_first: int
    start_up: float | None = None
    pace: float | None = None


class TimeLeft:
    """Adds up start-up, steps and validations of the cohorts left, as those of their kind took them in this launch.

    Cohorts are of one kind where their runs have the same models and steps. No time is told before every kind that is
    left has shown its pace.
    """

    def __init__(self, plan: Plan, slots: int) -> None:
        self._slots = slots
        self._processes: dict[str, _Process] = {}
        self._known: dict[_Kind, tuple[float, float]] = {}
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """Go on with a longer plan."""
        self._plan = plan
        self._steps = {run_id: planned_steps(run) for run_id, run in plan.runs.items()}
        self._kinds: dict[str, _Kind] = {
            cohort.cohort_id: tuple(
                sorted((step_kind(plan.runs[run_id].recipe), self._steps[run_id]) for run_id in cohort.run_ids)
            )
            for cohort in plan.cohorts
        }
        self._awaited = {
            cohort.cohort_id: {one for run_id in cohort.run_ids for one in plan.runs[run_id].needs}
            for cohort in plan.cohorts
        }

    def look(self, progress: LaunchProgress, reached: Mapping[str, int]) -> float | None:
        """The seconds left; None where they are not known. `reached` are the steps done by run."""
        over = progress.finished | progress.pruned | progress.stopped | progress.blocked | progress.failed.keys()
        if progress.elsewhere:
            return None
        left = {c.cohort_id: [run_id for run_id in c.run_ids if run_id not in over] for c in self._plan.cohorts}
        for cohort in self._plan.cohorts:
            self._watch(cohort, left[cohort.cohort_id], progress, reached)
        running, waiting = [], []
        for cohort in self._plan.cohorts:
            if not left[cohort.cohort_id]:
                continue
            known = self._known.get(self._kinds[cohort.cohort_id])
            if known is None:
                return None
            start_up, pace = known
            process = self._processes.get(cohort.cohort_id)
            seconds = pace * max(self._steps[run_id] - reached.get(run_id, 0) for run_id in left[cohort.cohort_id])
            if process is None:
                waiting.append((cohort, start_up + seconds))
            elif process.start_up is None:
                running.append((cohort, max(0.0, process.begun + start_up - progress.seconds) + seconds))
            else:
                running.append((cohort, seconds))
        return self._dealt_out(running, waiting)

    def _watch(
        self, cohort: SavedCohort, left: Sequence[str], progress: LaunchProgress, reached: Mapping[str, int]
    ) -> None:
        """Note how the cohort's process goes on, and what that tells of its kind."""
        whole = max(self._steps[run_id] for run_id in cohort.run_ids)
        at_work = [run_id for run_id in left if run_id in progress.running]
        process = self._processes.get(cohort.cohort_id)
        # the cohort goes on at the run that is furthest behind
        step = min((reached.get(run_id, 0) for run_id in at_work), default=whole)
        if process is None:
            if at_work:
                self._processes[cohort.cohort_id] = _Process(progress.seconds, step)
            return
        if not at_work and left:  # it ended and will be started again
            del self._processes[cohort.cohort_id]
            return
        if process.start_up is None:
            if step > process.at_first:
                process.start_up, process.at_first, process.begun = (
                    progress.seconds - process.begun,
                    step,
                    progress.seconds,
                )
            return
        if process.pace is not None and not at_work:
            return
        done = step - process.at_first
        seen = [run for run_id in at_work if (run := progress.running[run_id]) is not None]
        validated = any(name.startswith("val/") for run in seen for name in run.values)
        if done > 0 and (not at_work or done >= (SEEN if validated else SEEN_WITHOUT) * whole):
            pace = (progress.seconds - process.begun) / done
            process.pace = pace if not at_work else None
            self._known[self._kinds[cohort.cohort_id]] = (process.start_up, pace)

    def _dealt_out(
        self, running: Sequence[tuple[SavedCohort, float]], waiting: Sequence[tuple[SavedCohort, float]]
    ) -> float:
        """When the last ends, if a free slot takes the next cohort whose teacher is there."""
        ends = {run_id: seconds for cohort, seconds in running for run_id in cohort.run_ids}
        slots = sorted(seconds for _, seconds in running)
        slots += [0.0] * (self._slots - len(slots))
        heapq.heapify(slots)
        last = max(slots, default=0.0)
        for cohort, seconds in sorted(waiting, key=lambda one: len(self._awaited[one[0].cohort_id])):
            begin = max([heapq.heappop(slots), *(ends.get(one, 0.0) for one in self._awaited[cohort.cohort_id])])
            heapq.heappush(slots, begin + seconds)
            ends |= dict.fromkeys(cohort.run_ids, begin + seconds)
            last = max(last, begin + seconds)
        return last
