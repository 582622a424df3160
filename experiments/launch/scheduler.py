"""A plan carried out by any launcher: teachers first, finished runs skipped, failed ones tried again, then shown."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path

from distilpose.whole_files import FencedError
from experiments.launch.packing import Peaks, fits
from experiments.launch.protocol import FINISHED, Handle, Launcher
from experiments.launch.records import LaunchProgress, LaunchSettings, Outcome
from experiments.launch.retries import death_note, is_enough, micro_batch, pause, was_preempted
from experiments.launch.signals import interruptible
from experiments.plan import Cohort, Plan
from experiments.recipe import run_recipe_from_json
from experiments.store import RunDir, State, Store

log = logging.getLogger(__name__)

Grow = Callable[[Set[str]], Plan | None]
"""The plan with more in it, or None; asked while a slot idles, and told the runs that are settled: there is nothing
more to do for them."""

_IDLE_ENDINGS = 10  # so often may a process end well and leave its runs to others before that counts as a failure


@dataclass(slots=True)
class _Active:
    cohort: Cohort
    run_ids: tuple[str, ...]
    handle: Handle
    slot: int
    log: Path


def launch_plan(
    plan: Plan,
    store: Store,
    launcher: Launcher,
    settings: LaunchSettings,
    *,
    on_progress: Callable[[LaunchProgress], None] | None = None,
    grow: Grow | None = None,
) -> Outcome:
    """How it ended, after everything in the plan that can be finished is, or the user interrupted.

    With `grow` the plan may become longer on the way: a search asks for more when it knows more.

    Raises ValueError for a plan with problems. Ctrl-C, SIGTERM and SIGUSR1 ask every process to stop, wait for them
    and end the launch; a second one kills them. `on_progress` is called about every `progress_seconds`.
    """
    if plan.problems:
        raise ValueError("plan: cannot be launched before this is put right:\n" + "\n".join(plan.problems))
    store.save_plan(plan.saved())
    schedule = _Schedule(plan, store, launcher, settings, grow)
    with interruptible():
        return schedule.carry_out(on_progress)


class _Schedule:
    """The state of one launch. What other processes must know is in the store; this may be lost at any time."""

    def __init__(
        self, plan: Plan, store: Store, launcher: Launcher, settings: LaunchSettings, grow: Grow | None
    ) -> None:
        self._plan, self._store, self._launcher, self._settings = plan, store, launcher, settings
        self._grow = grow
        self._open = list(plan.cohorts)
        self._active: list[_Active] = []
        self._finished: set[str] = set()
        self._failed: dict[str, str] = {}
        self._blocked: set[str] = set()
        self._pruned: set[str] = set()
        self._elsewhere: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._idle: Counter[str] = Counter()
        self._peaks = Peaks(plan, store)
        self._began = time.monotonic()
        self._look_back(plan.runs)

    def _look_back(self, run_ids: Iterable[str]) -> None:
        """See what earlier launches left: results to skip, and failures to retry or to leave."""
        for run_id in run_ids:
            run = self._store.run(run_id)
            if run.finished:  # its run.json may have been removed, being damaged
                run.write_spec(self._plan.runs[run_id].spec)
            if self._is_over(run_id, run.state()):
                continue
            if run.failure is not None:
                if self._settings.retry_failed or run.failure.kind == "disk":
                    run.forgive()
                else:
                    self._judge([run_id])

    def carry_out(self, on_progress: Callable[[LaunchProgress], None] | None) -> Outcome:
        interrupted = False
        reported = float("-inf")
        try:
            while True:
                self._reap()
                self._fill()
                if self._lengthen():
                    self._fill()
                if on_progress is not None and time.monotonic() - reported >= self._settings.progress_seconds:
                    on_progress(self._progress())
                    reported = time.monotonic()
                if not self._open and not self._active:
                    break
                time.sleep(self._settings.poll_seconds)
        except KeyboardInterrupt:
            interrupted = True
            log.warning("stopping: %d processes write their checkpoints", len(self._active))
        finally:
            self._stop_all()
        if on_progress is not None:
            on_progress(self._progress())
        done = self._settled
        return Outcome(
            finished=frozenset(self._finished),
            failed=dict(self._failed),
            blocked=frozenset(self._blocked),
            unfinished=frozenset(set(self._plan.runs) - done),
            interrupted=interrupted,
            pruned=frozenset(self._pruned),
        )

    @property
    def _settled(self) -> set[str]:
        return self._finished | set(self._failed) | self._blocked | self._pruned

    def _is_over(self, run_id: str, state: State) -> bool:
        """Whether nothing more is to be done for the run: it is finished or damaged, or ended early where no more is
        wanted.
        """
        if state == "finished":
            self._finished.add(run_id)
        elif state == "pruned" and run_id in self._plan.prunable:
            self._pruned.add(run_id)
        elif state == "damaged" and (damage := self._store.run(run_id).damage()) is not None:
            self._failed[run_id] = damage
        else:
            return False
        return True

    def _lengthen(self) -> bool:
        """Take up more work, if there is any, where a slot would idle: nothing of the plan waits for it."""
        if self._grow is None:
            return False
        busy = {active.cohort.cohort_id for active in self._active}
        settled = self._settled
        waiting = [
            cohort
            for cohort in self._open
            if cohort.cohort_id not in busy and not settled.union(self._elsewhere).issuperset(cohort.run_ids)
        ]
        if len(self._active) + len(waiting) >= len(self._launcher.slots):
            return False
        longer = self._grow(settled)
        if longer is None:
            return False
        known = {cohort.cohort_id for cohort in self._plan.cohorts}
        new = longer.runs.keys() - self._plan.runs.keys()
        self._plan = longer
        self._peaks.follow(longer)
        self._open += [cohort for cohort in longer.cohorts if cohort.cohort_id not in known]
        self._store.save_plan(longer.saved())
        self._look_back(new)
        return True

    def _fill(self) -> None:
        """Start what can be started in the free slots."""
        self._elsewhere = set()
        free = [i for i in range(len(self._launcher.slots)) if all(active.slot != i for active in self._active)]
        busy = {active.cohort.cohort_id for active in self._active}
        ready: list[tuple[Cohort, tuple[str, ...]]] = []
        still_open = []
        for position, cohort in enumerate(self._open):
            if len(ready) > len(free):  # one more than there is room for: enough to know that nobody idles
                still_open += self._open[position:]
                break
            if cohort.cohort_id in busy:
                still_open.append(cohort)
                continue
            wanted = self._wanted(cohort)
            if wanted is None:
                continue
            still_open.append(cohort)
            if wanted:
                ready.append((cohort, wanted))
        self._open = still_open
        for cohort, wanted in ready:
            index = next((i for i in free if self._fits(wanted, i)), None)
            if index is None:
                continue
            free.remove(index)
            try:
                self._start(cohort, wanted, index)
            except OSError as error:
                for run_id in wanted:
                    self._could_not_write(run_id, "it could not be started", error)

    def _fits(self, run_ids: tuple[str, ...], index: int) -> bool:
        """Whether the device of a free slot has room for the runs beside those that are on it."""
        slots = self._launcher.slots
        slot = slots[index]
        beside = [
            active
            for active in self._active
            if (slots[active.slot].machine, slots[active.slot].device) == (slot.machine, slot.device)
        ]
        room = self._settings.rooms(slot) if beside else None
        if room is None:
            return True
        tenants = [self._peaks.running(active.run_ids, slot.device) for active in beside]
        return fits(self._peaks.expected(run_ids, slot.device), tenants, room)

    def _wanted(self, cohort: Cohort) -> tuple[str, ...] | None:
        """The cohort's runs that can start now; none while it has to wait, None when there is nothing left to do."""
        over = self._finished | self._failed.keys() | self._pruned
        left = [run_id for run_id in cohort.run_ids if run_id not in over]
        if not left:
            return None
        if cohort.teacher_id is not None and cohort.teacher_id not in self._finished:
            if cohort.teacher_id in self._failed or cohort.teacher_id in self._blocked:
                return self._wanted_without_teacher(left)
            return ()
        return self._startable(left)

    def _wanted_without_teacher(self, left: list[str]) -> tuple[str, ...] | None:
        """Of a cohort whose teacher failed, the runs that need none."""
        needy = {run_id for run_id in left if self._plan.runs[run_id].teacher_id is not None}
        self._blocked |= needy
        rest = [run_id for run_id in left if run_id not in needy]
        return self._startable(rest) if rest else None

    def _startable(self, run_ids: list[str]) -> tuple[str, ...]:
        now = time.monotonic()
        waiting = [run_id for run_id in run_ids if self._not_before.get(run_id, 0.0) > now]
        if waiting:
            return ()  # the cohort goes on together
        startable = []
        for run_id in run_ids:
            state = self._store.run(run_id).state()
            if self._is_over(run_id, state):
                continue
            if state == "running" and not self._store.run(run_id).evict():
                self._elsewhere.add(run_id)
                self._wait_a_little(run_id)
            elif state == "failed" and self._is_enough(run_id):  # in another launch, since this one began
                self._judge([run_id])
            else:
                startable.append(run_id)
        return tuple(startable)

    def _start(self, cohort: Cohort, run_ids: tuple[str, ...], index: int) -> None:
        slots = self._launcher.slots
        slot = slots[index]
        # Sums depend on the number of threads that make them. So that a run ends with the same numbers whatever was
        # finished before it, its threads follow from the plan: a cohort planned alone at its stage has all cores.
        stage = [other for other in self._plan.cohorts if (other.teacher_id is None) == (cohort.teacher_id is None)]
        # A search's plan grows, so that its students' cohorts are never alone.
        if len(stage) == 1 and (self._grow is None or self._plan.runs[run_ids[0]].role == "teacher"):
            slot = replace(slot, threads=sum(other.threads for other in slots if other.machine == slot.machine))
        recipe = run_recipe_from_json(self._plan.runs[run_ids[0]].recipe)
        for run_id in run_ids:
            self._store.run(run_id).write_spec(self._plan.runs[run_id].spec)
        prunable = sorted(self._plan.prunable.intersection(run_ids))
        search = {"search": {**(self._plan.search or {}), "prunable": prunable}} if prunable else {}
        job = self._store.write_job(
            {
                **search,
                "cohort_id": cohort.cohort_id,
                "run_ids": list(run_ids),
                "sweep": self._plan.sweep,
                "profile": self._plan.profile,
                "data_root": str(self._settings.data_root(recipe.data)),
                "device": slot.device,
                "threads": slot.threads,
                "workers": slot.workers if self._settings.workers is None else self._settings.workers,
                "cache": None if self._settings.cache is None else str(self._settings.cache),
                "micro_batch": micro_batch(self._store.run(run_id).failure for run_id in run_ids),
                "wandb": dict(self._settings.wandb),
            }
        )
        log.info("cohort %s: %d runs start on %s", cohort.cohort_id, len(run_ids), slot.device)
        handle = self._launcher.start(job, slot)
        self._active.append(
            _Active(cohort=cohort, run_ids=run_ids, handle=handle, slot=index, log=job.with_suffix(".log"))
        )

    def _reap(self) -> None:
        """See which processes have ended, and what became of their runs."""
        for active in list(self._active):
            code = active.handle.poll()
            if code is None:
                continue
            self._active.remove(active)
            self._settle(active, code)
            self._peaks.learn(active.cohort)

    def _settle(self, active: _Active, code: int) -> None:
        left = []
        for run_id in active.run_ids:
            run = self._store.run(run_id)
            state = run.state()
            if self._is_over(run_id, state):
                continue
            if state == "failed":
                left.append(run_id)
            elif state == "running" or was_preempted(code) or (code == FINISHED and not self._idle_too_often(run_id)):
                self._wait_a_little(run_id)
            elif self._wrote_down(run, death_note(code, active.log)):
                left.append(run_id)
        self._judge(left)

    def _wrote_down(self, run: RunDir, death: str) -> bool:
        """Whether the death of the run's process is in the store now: not where another has the run, or on a full disk.

        Written under the run's lease, so that a process which just took the run counts no failure of another.
        """
        try:
            lease = run.claim()
            if lease is None:
                self._wait_a_little(run.run_id)
                return False
            with lease:
                run.fail(death, "killed", lease)
        except FencedError:  # in the moment between
            self._wait_a_little(run.run_id)
            return False
        except OSError as error:
            self._could_not_write(run.run_id, death, error)
            return False
        return True

    def _could_not_write(self, run_id: str, what: str, error: OSError) -> None:
        """Try the run again later, in the hope that there is room on the disk then; but not for ever."""
        log.error("run %s: %s: %s", run_id, what, error)
        self._not_before[run_id] = time.monotonic() + self._settings.backoff_seconds
        if self._idle_too_often(run_id):
            self._failed[run_id] = f"{what}: {error} (not written down)"

    def _idle_too_often(self, run_id: str) -> bool:
        """Whether too many processes in a row found the run held by others, who then did not finish it either."""
        self._idle[run_id] += 1
        return self._idle[run_id] > _IDLE_ENDINGS

    def _wait_a_little(self, run_id: str) -> None:
        self._not_before[run_id] = time.monotonic() + 10 * self._settings.poll_seconds

    def _is_enough(self, run_id: str) -> bool:
        failure = self._store.run(run_id).failure
        settings = self._settings
        return failure is not None and is_enough(
            failure, retries=settings.retries, memory_retries=settings.memory_retries
        )

    def _judge(self, run_ids: Iterable[str]) -> None:
        """Of runs whose last attempt failed: when to try again, or that it is enough."""
        for run_id in run_ids:
            failure = self._store.run(run_id).failure
            if failure is None:  # another launch forgave or finished it just now
                continue
            if self._is_enough(run_id):
                self._failed[run_id] = f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
                log.error("run %s failed: %s", run_id, self._failed[run_id])
            else:
                self._not_before[run_id] = time.monotonic() + pause(failure, self._settings.backoff_seconds)
                log.warning("run %s: attempt %d failed: %s", run_id, failure.attempts, failure.message)

    def _stop_all(self) -> None:
        for active in self._active:
            active.handle.stop()
        deadline = time.monotonic() + self._settings.grace_seconds
        try:
            while any(active.handle.poll() is None for active in self._active) and time.monotonic() < deadline:
                time.sleep(self._settings.poll_seconds)
        except KeyboardInterrupt:
            log.warning("killing what has not ended yet; it will go on from its last checkpoint")
        for active in self._active:
            active.handle.kill()
            self._finished |= {run_id for run_id in active.run_ids if self._store.run(run_id).finished}
        self._active.clear()

    def _progress(self) -> LaunchProgress:
        running = [run_id for active in self._active for run_id in active.run_ids]
        for run_id in running:
            if self._store.run(run_id).finished:
                self._finished.add(run_id)
        return LaunchProgress(
            total=len(self._plan.runs),
            finished=frozenset(self._finished),
            running={run_id: self._store.run(run_id).progress() for run_id in running if run_id not in self._finished},
            elsewhere=frozenset(self._elsewhere - self._finished),
            failed=dict(self._failed),
            blocked=frozenset(self._blocked),
            seconds=time.monotonic() - self._began,
            pruned=frozenset(self._pruned),
        )
