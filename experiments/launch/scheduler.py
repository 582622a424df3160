"""A plan carried out by any launcher: teachers first, finished runs skipped, failed ones retried, then shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path

from distilpose.whole_files import FencedError
from experiments.launch.fates import IDLE_ENDINGS, Ended, Fate, Seen, decide, soon
from experiments.launch.packing import Peaks
from experiments.launch.protocol import Handle, Launcher, Slot
from experiments.launch.records import LaunchProgress, LaunchSettings, Outcome
from experiments.launch.retries import death_note, micro_batch
from experiments.launch.sharing import Devices, Running
from experiments.launch.signals import interruptible
from experiments.plan.plan import Plan
from experiments.runs.atomic import DamagedError
from experiments.runs.job import Job
from experiments.runs.lease import Lease
from experiments.runs.saved_plan import SavedCohort
from experiments.runs.store import Failure, Store
from experiments.sweep.recipe_json import run_recipe_from_json

log = logging.getLogger(__name__)

Grow = Callable[[Set[str]], Plan | None]
"""The plan with more in it, or None; asked while a slot idles, and told the runs that are settled: there is nothing
more to do for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Active:
    """A cohort's process, and the failures of its runs when it started."""

    cohort: SavedCohort
    failures: dict[str, Failure | None]
    handle: Handle
    slot: int
    log: Path
    claim: Lease | None

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(self.failures)


def launch_plan(
    plan: Plan,
    store: Store,
    launcher: Launcher,
    settings: LaunchSettings,
    *,
    part: Plan | None = None,
    on_progress: Callable[[LaunchProgress], None] | None = None,
    grow: Grow | None = None,
) -> Outcome:
    """The outcome, once everything that can be finished is, or the user interrupted.

    Of a plan that does not grow a `part` may be trained alone: it leaves the saved plan as it is where that has it all.
    `grow` may lengthen the plan on the way, as a search does. `on_progress` is called about every `progress_seconds`.
    Ctrl-C, SIGTERM and SIGUSR1 stop every process, wait for their checkpoints and end the launch; a second one kills
    them. Raises ValueError for a plan with problems.
    """
    if plan.problems:
        raise ValueError("plan: cannot be launched before this is put right:\n" + "\n".join(plan.problems))
    schedule = _Schedule(plan, part or plan, store, launcher, settings, grow)
    with interruptible():
        return schedule.carry_out(on_progress)


class _Schedule:
    """The loop of one launch. Other processes read the store; the fates may be lost at any time."""

    def __init__(
        self, plan: Plan, part: Plan, store: Store, launcher: Launcher, settings: LaunchSettings, grow: Grow | None
    ) -> None:
        self._plan, self._store, self._launcher, self._settings = plan, store, launcher, settings
        self._grow = grow
        self._open = list(part.cohorts)
        self._cohorts = {run_id: cohort for cohort in part.cohorts for run_id in cohort.run_ids}
        self._active: list[_Active] = []
        self._fates: dict[str, Fate] = {}
        self._peaks = Peaks(plan, store)
        self._devices = Devices(launcher.slots, settings.rooms, self._peaks, settings.neighbours)
        self._began = time.monotonic()
        if part.runs.keys() == plan.runs.keys() or not self._is_saved(part):
            self._keep_plan()
        self._look_back(part.runs)

    def carry_out(self, on_progress: Callable[[LaunchProgress], None] | None) -> Outcome:
        interrupted = over = False
        until = float("inf") if self._settings.hours is None else self._began + 3600 * self._settings.hours
        reported = float("-inf")
        try:
            while True:
                self._reap()
                self._fill()
                if self._lengthen():
                    self._fill()
                if time.monotonic() - reported >= self._settings.progress_seconds:
                    self._reopen()
                    if on_progress is not None:
                        on_progress(self._progress())
                    reported = time.monotonic()
                if not self._active and (not self._open or not (self._settings.stay or self._is_useful())):
                    break
                if over := time.monotonic() >= until:
                    log.warning("time is over: %d processes write their checkpoints", len(self._active))
                    break
                time.sleep(self._settings.poll_seconds)
        except KeyboardInterrupt:
            interrupted = True
            log.warning("stopping: %d processes write their checkpoints", len(self._active))
        finally:
            self._stop_all()
        last = self._progress()
        if on_progress is not None:
            on_progress(last)
        told = {one.name: getattr(last, one.name) for one in fields(last)}
        unfinished = frozenset(self._fates.keys() - self._settled)
        return Outcome(**told, unfinished=unfinished, interrupted=interrupted, over=over)

    def _keep_plan(self) -> None:
        self._plan.keep_parts(self._store)
        self._store.save_plan(self._plan.saved())

    def _is_saved(self, part: Plan) -> bool:
        """Whether the saved plan wants these runs too."""
        try:
            return part.runs.keys() <= self._store.load_plan(part.sweep, part.profile).run_names.keys()
        except (DamagedError, FileNotFoundError):
            return False

    def _look_back(self, run_ids: Iterable[str]) -> None:
        """Read what earlier launches left: results to skip, failures to forgive or to leave."""
        there = self._store.names()
        for run_id in run_ids:
            self._fates[run_id] = Fate()
            if run_id in there:
                if self._store.run(run_id).finished:  # its run.json may have been removed, being damaged
                    self._store.run(run_id).write_spec(self._plan.runs[run_id].spec)
                seen = self._look(run_id)
                if seen.failure is not None and (self._settings.retry_failed or seen.failure.kind == "disk"):
                    self._store.run(run_id).forgive()
                    seen = self._look(run_id)
                self._follow(run_id, seen=seen)

    # What is known of runs.

    @property
    def _settled(self) -> set[str]:
        return {run_id for run_id, fate in self._fates.items() if fate.settled}

    @property
    def _failed(self) -> dict[str, str]:
        return {run_id: fate.why for run_id, fate in self._fates.items() if fate.what == "failed"}

    def _which(self, what: str) -> frozenset[str]:
        return frozenset(run_id for run_id, fate in self._fates.items() if fate.what == what)

    def _look(self, run_id: str, *, step: bool = False) -> Seen:
        run = self._store.run(run_id)
        state = run.state()
        damage = run.damage() if state == "damaged" else None
        progress = run.progress() if step and damage is None else None
        return Seen(
            state=state,
            damage=damage,
            failure=run.failure if state == "failed" else None,
            step=0 if progress is None else progress.step,
            prunable=run_id in self._plan.prunable,
        )

    def _follow(self, run_id: str, ended: Ended | None = None, seen: Seen | None = None) -> Fate:
        """Update the run's fate from the store, where it was just `seen` or is looked at now."""
        seen = seen or self._look(run_id, step=ended is not None)
        if seen.state == "running" and ended is None and self._store.run(run_id).evict():
            seen = self._look(run_id)
        fate = decide(self._fates[run_id], seen, self._settings, time.monotonic(), ended)
        self._fates[run_id] = fate
        if fate.what == "failed":
            log.error("run %s failed: %s", run_id, fate.why)
        elif ended is not None and seen.failure is not None and fate.what == "open":
            log.warning("run %s: attempt %d failed: %s", run_id, seen.failure.attempts, seen.failure.message)
        return fate

    def _reopen(self) -> None:
        """Take up again the failed and stopped runs that the user wants tried again, and the students of such."""
        again = [
            run_id
            for run_id, fate in self._fates.items()
            if fate.what in ("failed", "stopped")
            and not fate.idle  # else its failure could not be written down
            and self._store.run(run_id).state() in ("planned", "interrupted")
        ]
        if again:
            again += self._which("blocked")
        for run_id in again:
            self._fates[run_id] = Fate()
            if self._cohorts[run_id] not in self._open:
                self._open.append(self._cohorts[run_id])

    def _is_useful(self) -> bool:
        """Whether something is left that no other launch has."""
        return any(not fate.settled and fate.what != "elsewhere" for fate in self._fates.values())

    # What to start.

    def _lengthen(self) -> bool:
        """Add more work, if there is any, where a slot would idle."""
        if self._grow is None:
            return False
        busy = {active.cohort.cohort_id for active in self._active}
        settled = self._settled
        served = settled | self._which("elsewhere")
        waiting = [c for c in self._open if c.cohort_id not in busy and not served.issuperset(c.run_ids)]
        if len(self._active) + len(waiting) >= len(self._launcher.slots):
            return False
        longer = self._grow(settled)
        if longer is None:
            return False
        known = {cohort.cohort_id for cohort in self._plan.cohorts}
        new = longer.runs.keys() - self._plan.runs.keys()
        self._plan = longer
        self._peaks.follow(longer)
        more = [cohort for cohort in longer.cohorts if cohort.cohort_id not in known]
        self._open += more
        self._cohorts |= {run_id: cohort for cohort in more for run_id in cohort.run_ids}
        self._keep_plan()
        self._look_back(new)
        return True

    def _fill(self) -> None:
        """Start what can be started in the free slots."""
        free = [i for i in range(len(self._launcher.slots)) if all(active.slot != i for active in self._active)]
        if not free:  # then nothing is asked of the disk, which a whole cluster may share
            return
        busy = {active.cohort.cohort_id for active in self._active}
        ready: list[tuple[SavedCohort, tuple[str, ...]]] = []
        still_open = []
        for position, cohort in enumerate(self._open):
            if len(ready) > len(free):  # one more than there is room for: enough to know that nobody idles
                still_open += self._open[position:]
                break
            startable = () if cohort.cohort_id in busy else self._startable(cohort)
            if startable is not None:
                still_open.append(cohort)
            if startable:
                ready.append((cohort, startable))
        self._open = still_open
        if not ready:
            return
        slots, before = self._launcher.slots, len(self._active)
        with self._devices.meeting():
            for cohort, run_ids in ready:
                index = next((i for i in free if self._devices.fit(run_ids, slots[i], self._running)), None)
                if index is None:
                    continue
                try:
                    if self._start(cohort, run_ids, index):
                        free.remove(index)
                except OSError as error:
                    free.remove(index)
                    for run_id in run_ids:
                        self._could_not_write(run_id, "it could not be started", error)
            if len(self._active) > before:
                self._devices.tell(self._running)

    @property
    def _running(self) -> list[Running]:
        return [(self._launcher.slots[active.slot], active.run_ids) for active in self._active]

    def _startable(self, cohort: SavedCohort) -> tuple[str, ...] | None:
        """The cohort's runs that can start now; none while it waits, None when nothing is left to do."""
        left = [run_id for run_id in cohort.run_ids if not self._fates[run_id].settled]
        if any(not fate.settled for run_id in left for fate in self._needs(run_id)):
            return ()
        for run_id in left:  # those that need nothing of what failed go on
            if any(fate.what != "finished" for fate in self._needs(run_id)):
                self._fates[run_id] = Fate(what="blocked")
        left = [run_id for run_id in left if not self._fates[run_id].settled]
        if not left:
            return None
        now = time.monotonic()
        if any(self._fates[run_id].not_before > now for run_id in left):
            return ()  # the cohort goes on together
        return tuple(run_id for run_id in left if self._follow(run_id).what == "open")

    def _needs(self, run_id: str) -> list[Fate]:
        """The fates of the runs of this plan that it waits for: its teacher and its start."""
        return [self._fates[one] for one in self._plan.runs[run_id].needs if one in self._fates]

    def _start(self, cohort: SavedCohort, run_ids: tuple[str, ...], index: int) -> bool:
        """Start the cohort's process, unless another launch has one or is about to."""
        claim = None
        if self._settings.neighbours is not None:
            claim = self._store.claim_cohort(cohort.cohort_id)
            if claim is None:
                later = soon(self._settings, time.monotonic())
                self._fates |= {run_id: Fate(what="elsewhere", not_before=later) for run_id in run_ids}
                return False
            claim.start_heartbeat()
        try:
            self._begin(cohort, run_ids, index, claim)
        except OSError:
            if claim is not None:
                claim.release()
            raise
        return True

    def _begin(self, cohort: SavedCohort, run_ids: tuple[str, ...], index: int, claim: Lease | None) -> None:
        slot = self._slot(cohort, index)
        recipe = run_recipe_from_json(self._plan.runs[run_ids[0]].recipe)
        for run_id in run_ids:
            self._store.run(run_id).write_spec(self._plan.runs[run_id].spec)
        data_root = self._settings.data_root(recipe.data)
        prunable, search = sorted(self._plan.prunable.intersection(run_ids)), self._plan.search
        failures = {run_id: self._store.run(run_id).failure for run_id in run_ids}
        job = Job(
            cohort_id=cohort.cohort_id,
            run_ids=run_ids,
            sweep=self._plan.sweep,
            profile=self._plan.profile,
            data_root=data_root,
            device=slot.device,
            threads=slot.threads,
            workers=slot.workers if self._settings.workers is None else self._settings.workers,
            cache=self._settings.cache,
            micro_batch=micro_batch(failures.values()),
            track=self._settings.track,
            search={**search, "prunable": prunable} if search and prunable else None,
            metric=self._plan.measured,
            evaluate_on={**self._settings.evaluate_on, **recipe.data.test_set(data_root)},
        )
        file = self._store.write_job(job.to_json())
        log.info("cohort %s: %d runs start on %s", cohort.cohort_id, len(run_ids), slot.device)
        handle = self._launcher.start(file, slot)
        log_file = file.with_suffix(".log")
        self._active.append(
            _Active(cohort=cohort, failures=failures, handle=handle, slot=index, log=log_file, claim=claim)
        )

    def _slot(self, cohort: SavedCohort, index: int) -> Slot:
        """The slot, with the threads that the cohort computes with.

        Sums depend on the number of threads. So that a run's numbers do not depend on what was finished before it, its
        threads follow from the whole plan: a cohort planned alone at its stage has all cores.
        """
        slots = self._launcher.slots
        slot = slots[index]
        waits = {other.cohort_id: other.teacher_id is not None for other in self._plan.cohorts}
        # A search's plan grows, so that its students' cohorts are never alone.
        if list(waits.values()).count(waits[cohort.cohort_id]) == 1 and (
            self._grow is None or self._plan.runs[cohort.run_ids[0]].role == "teacher"
        ):
            return replace(slot, threads=sum(other.threads for other in slots if other.machine == slot.machine))
        return slot

    # What became of it.

    def _reap(self) -> None:
        """Handle the processes that have ended."""
        for active in list(self._active):
            code = active.handle.poll()
            if code is None:
                continue
            self._leave(active)
            for run_id, failure in active.failures.items():
                ended = Ended(code=code, failure_before=failure)
                if self._follow(run_id, ended).what == "silent":
                    self._write_down(run_id, death_note(code, active.log), ended)
            self._peaks.learn(active.cohort)

    def _leave(self, active: _Active) -> None:
        """Have nothing to do with an ended process any more."""
        self._active.remove(active)
        if active.claim is not None:
            active.claim.release()
        self._devices.tell(self._running)

    def _write_down(self, run_id: str, death: str, ended: Ended) -> None:
        """Record the death of the run's process, and go on. Under the run's lease: a process that just took the run is
        not charged with another's failure.
        """
        run = self._store.run(run_id)
        try:
            lease = run.claim()
            if lease is not None:
                with lease:
                    run.fail(death, "killed", lease)
                self._follow(run_id, ended)
                return
        except FencedError:  # in the moment between
            pass
        except OSError as error:
            self._could_not_write(run_id, death, error)
            return
        self._fates[run_id] = Fate(what="elsewhere", not_before=soon(self._settings, time.monotonic()))

    def _could_not_write(self, run_id: str, what: str, error: OSError) -> None:
        """Try the run again later, when the disk may have room, a few times."""
        log.error("run %s: %s: %s", run_id, what, error)
        idle = self._fates[run_id].idle + 1
        if idle > IDLE_ENDINGS:
            self._fates[run_id] = Fate(what="failed", why=f"{what}: {error} (not written down)", idle=idle)
        else:
            not_before = time.monotonic() + self._settings.backoff_seconds
            self._fates[run_id] = replace(self._fates[run_id], what="open", not_before=not_before, idle=idle)

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
        self._see_finished()
        for active in list(self._active):
            self._leave(active)

    def _see_finished(self) -> None:
        """Runs may finish before their cohort's process ends."""
        for active in self._active:
            for run_id in active.run_ids:
                if self._store.run(run_id).finished:
                    self._fates[run_id] = Fate(what="finished")

    def _progress(self) -> LaunchProgress:
        self._see_finished()
        running = [run_id for active in self._active for run_id in active.run_ids]
        finished = self._which("finished")
        return LaunchProgress(
            total=len(self._fates),
            finished=finished,
            running={run_id: self._store.run(run_id).progress() for run_id in running if run_id not in finished},
            elsewhere=self._which("elsewhere"),
            failed=self._failed,
            blocked=self._which("blocked"),
            seconds=time.monotonic() - self._began,
            pruned=self._which("pruned"),
            stopped=self._which("stopped"),
        )
