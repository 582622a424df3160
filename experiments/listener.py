"""What happens to each run, written where it belongs: journal, trackers, weights, pictures, result."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import torch
from torch import nn

from distilpose.data.coco import PoseData
from distilpose.data.stream import Batch, ImageSource, eval_batches
from distilpose.evaluation.evaluate import Evaluation
from distilpose.pictures.panels import write_pictures
from distilpose.training.checkpoint import save_weights
from distilpose.training.member import Member
from experiments.atomic import json_text, write_text
from experiments.build import WEIGHTS
from experiments.diagnose import Diagnoser, cost_json
from experiments.lease import Lease
from experiments.store import FailureKind, RunDir
from experiments.track.protocol import Tracker

log = logging.getLogger(__name__)

PICTURED = 4  # people drawn at each validation


@contextmanager
def _worth_a_warning(run: RunDir, what: str) -> Iterator[None]:
    """Around what a run can be without: where it fails, a warning is said, and the run goes on."""
    try:
        yield
    except Exception:
        log.warning("run %s: no %s", run.run_id, what, exc_info=True)


class RunRecorder:
    """The open ends of one run: its lease, journal and trackers. As a context, closes what is still open."""

    def __init__(self, run: RunDir, lease: Lease) -> None:
        self.run, self.lease = run, lease
        self.journal = run.journal(lease)
        self.title = run.run_id
        self.trackers: Sequence[Tracker] = ()
        self.cohort: Mapping[str, Any] = {}
        self.origin: Mapping[str, Any] = {}
        self.total_steps = 0
        self.weights_say: Mapping[str, str] = {}
        self.over = False

    def open(
        self,
        *,
        title: str,
        trackers: Sequence[Tracker],
        cohort: Mapping[str, Any],
        origin: Mapping[str, Any],
        total_steps: int,
        weights_say: Mapping[str, str],
    ) -> None:
        """Say what the run is called, where its numbers go and where they come from, and what its weights are of."""
        self.title, self.trackers, self.cohort, self.origin = title, trackers, cohort, origin
        self.total_steps, self.weights_say = total_steps, weights_say

    def started(self, step: int) -> None:
        """The run begins, or goes on from `step`."""
        device = self.origin.get("device")
        self.journal.start(attempt=self.run.attempts + 1, step=step, total_steps=self.total_steps, device=device)

    def metrics(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Numbers of one step."""
        for tracker in (self.journal, *self.trackers):
            tracker.metrics(step, values, epoch=epoch)

    def failed(self, message: str, kind: FailureKind) -> None:
        """The attempt has failed."""
        if self.over:
            return
        self.run.fail(message, kind, self.lease)
        self.journal.stop("failed", message)
        self._close_trackers("failed")

    def pruned(self, why: Mapping[str, Any]) -> None:
        """A search ends the run here; its checkpoint stays, for whoever wants all of it."""
        self.run.prune(why, self.lease)
        self.journal.stop("pruned", f"at epoch {why['epoch']}")
        self._close_trackers("pruned")

    def finished(self, result: Mapping[str, Any]) -> None:
        """The run is over and came to this."""
        self.journal.finish()
        for tracker in self.trackers:
            tracker.summary(result["metrics"])
        self._close_trackers("finished")
        self.run.write_result(result, self.lease)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.over:
            self.journal.stop("preempted")
            self._close_trackers("preempted")
        self.journal.close()

    def _close_trackers(self, status: Any) -> None:
        self.over = True
        for tracker in self.trackers:
            tracker.close(status)


class RunListener:
    """Tells each run's recorder what the training loop says of it, and draws the pictures."""

    def __init__(
        self,
        recorders: Mapping[str, RunRecorder],
        *,
        val: PoseData,
        input_size: tuple[int, int],
        source: ImageSource,
        teacher: nn.Module | None,
        pruned_by: str = "",
    ) -> None:
        self.pruned_by = pruned_by
        self.recorders, self.val, self.teacher = recorders, val, teacher
        self.input_size, self.source = input_size, source
        self._pictured: Batch | None = None
        self._diagnose = Diagnoser(val)

    def restored(self, member: Member) -> None:
        """The run starts at `member.step`."""
        self.recorders[member.name].started(member.step)

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        """Numbers of training or validation."""
        self.recorders[member.name].metrics(member.step, epoch, values)

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        """Keep the best weights and predictions, and draw."""
        recorder = self.recorders[member.name]
        recorder.lease.check()
        if is_best:
            save_weights(recorder.run.checkpoints / WEIGHTS, member.model, recorder.weights_say)
            write_text(recorder.run.predictions, json_text(evaluation.results))
            with _worth_a_warning(recorder.run, "diagnosis"):
                recorder.run.write_diagnosis(self._diagnose(evaluation.results))
        with _worth_a_warning(recorder.run, f"pictures at epoch {epoch}"):
            self._draw(member, epoch, recorder)

    def checkpointed(self, member: Member) -> None:
        """Say so in the journal."""
        recorder = self.recorders[member.name]
        path = recorder.run.checkpoints.relative_to(recorder.run.path)
        recorder.journal.checkpoint(step=member.step, epoch=None, path=path)

    def ended(self, member: Member, epoch: int) -> None:
        """A search sees no hope for the run; its cohort goes on."""
        values = {name: value for name, value in member.last.items() if math.isfinite(value)}
        why = {"by": self.pruned_by, "epoch": epoch, "step": member.step, "metrics": values}
        self.recorders[member.name].pruned(why)

    def failed(self, member: Member) -> None:
        """The run failed alone; its cohort goes on."""
        assert member.failure is not None
        log.error("run %s: %s", member.name, member.failure)
        self.recorders[member.name].failed(member.failure, "nan")

    def finished(self, member: Member) -> None:
        """Write the result, the last thing of a run."""
        recorder = self.recorders[member.name]
        with _worth_a_warning(recorder.run, "cost"):
            recorder.run.write_cost(cost_json(member.model, self.input_size, cpu=recorder.origin.get("cpu")))
        recorder.finished(
            {
                "metrics": member.best,
                "best_epoch": member.best_epoch,
                "last": member.last,
                "epochs": member.schedule.epochs,
                "steps": member.step,
                "seconds": round(member.seconds, 3),
                "cohort": recorder.cohort["id"],
                "cohort_size": recorder.cohort["size"],
                "parameters": sum(p.numel() for p in member.model.parameters() if p.requires_grad),
                "provenance": {**recorder.origin, "finished": time.time()},
            }
        )

    def _draw(self, member: Member, epoch: int, recorder: RunRecorder) -> None:
        if self._pictured is None:  # the same people at every validation of every row, from all over the split
            people = self.val.people
            some = tuple(people[len(people) * turn // PICTURED] for turn in range(min(PICTURED, len(people))))
            shown = replace(self.val, people=some)
            self._pictured = next(
                eval_batches(shown, input_size=self.input_size, batch_size=PICTURED, cache=self.source)
            )
        device = next(member.model.parameters()).device
        batch = Batch(*(part.to(device) for part in self._pictured))
        folder = recorder.run.pictures / f"epoch-{epoch:04d}"
        with torch.no_grad():
            files = write_pictures(
                member.model,
                self.teacher,
                batch,
                self.val.skeleton,
                folder,
                count=PICTURED,
                title=f"{recorder.title}, epoch {epoch}",
            )
        for file in files:
            where = file.path.relative_to(recorder.run.path)
            for tracker in (recorder.journal, *recorder.trackers):
                tracker.picture(member.step, file.kind, where, file.caption, epoch=epoch)
