"""Writes what happens to each run where it belongs: journal, trackers, weights, pictures, result."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from distilpose.data.coco import PoseData, some_people
from distilpose.data.sources import ImageSource
from distilpose.data.stream import Batch, eval_batches
from distilpose.evaluation.evaluate import Evaluation
from distilpose.evaluation.metrics import MetricUse
from distilpose.evaluation.per_picture import write_per_picture
from distilpose.pictures.panels import write_pictures
from distilpose.training.checkpoint import save_weights
from distilpose.training.cohort import Listener
from distilpose.training.member import Member
from distilpose.training.memory import peak_memory
from distilpose.whole_files import FencedError
from experiments.runs.atomic import json_text, write_whole
from experiments.runs.lease import Lease
from experiments.runs.store import FailureKind, RunDir
from experiments.track.card import run_summary
from experiments.track.protocol import Status
from experiments.track.replay import tell
from experiments.track.tracker import Tracker
from experiments.train.diagnose import Diagnoser, cost_json
from experiments.train.elsewhere import OtherSets
from experiments.train.measure import measured_by, write_keypoints

log = logging.getLogger(__name__)

PICTURED = 4  # people drawn at each validation


@contextmanager
def _worth_a_warning(run: RunDir, what: str) -> Iterator[None]:
    """Optional work: log a warning if it fails, and continue the run."""
    try:
        yield
    except FencedError:
        raise
    except Exception:
        log.warning("run %s: no %s", run.run_id, what, exc_info=True)


class RunRecorder:
    """The lease, journal and trackers of one run. As a context, closes what is still open."""

    def __init__(self, run: RunDir, lease: Lease) -> None:
        self.run, self.lease = run, lease
        self.journal = run.journal(lease)
        self.title = run.run_id
        self.trackers: Sequence[Tracker] = ()
        self.cohort: Mapping[str, Any] = {}
        self.origin: Mapping[str, Any] = {}
        self.total_steps = 0
        self.micro_batch: int | None = None
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
        micro_batch: int | None,
        weights_say: Mapping[str, str],
    ) -> None:
        """Set title, trackers, provenance and the metadata of the weights."""
        self.title, self.trackers, self.cohort, self.origin = title, trackers, cohort, origin
        self.total_steps, self.micro_batch, self.weights_say = total_steps, micro_batch, weights_say

    def started(self, step: int, damaged: Sequence[Path]) -> None:
        """The run begins, or resumes from `step` because newer checkpoints were `damaged`.

        Trackers get the events before it again, which they may have lost.
        """
        if self.trackers and step:
            events = self.run.read_journal()
            for tracker in self.trackers:
                tell(events, tracker, until=step)
        self.journal.start(
            attempt=self.run.attempts + 1,
            step=step,
            total_steps=self.total_steps,
            device=self.origin.get("device"),
            micro_batch=self.micro_batch,
        )
        for path in damaged:
            self.journal.note(f"checkpoint {path.name} was damaged and is removed; going on from step {step}")

    def metrics(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Numbers of one step."""
        self.journal.metrics(step, values, epoch=epoch)
        for tracker in self.trackers:
            tracker.metrics(step, values, epoch=epoch)

    def failed(self, message: str, kind: FailureKind, *, did_not_fit: int | None = None) -> None:
        """Record a failed attempt."""
        if self.over:
            return

        def write_down() -> None:
            self.run.fail(message, kind, self.lease, did_not_fit=did_not_fit)
            self.journal.stop("failed", message)

        self._end("failed", write_down)

    def left(self) -> None:
        """Another process holds the run now."""
        log.warning("run %s: another process has it now, leaving it", self.run.run_id)
        self._end("preempted", self.journal.abandon)

    def pruned(self, why: Mapping[str, Any]) -> None:
        """A search ends the run here; its checkpoint stays."""

        def write_down() -> None:
            self.run.prune(why, self.lease)
            self.journal.stop("pruned", f"at epoch {why['epoch']}")

        self._end("pruned", write_down)

    def stopped(self) -> None:
        """The user ends the run here; its checkpoint stays. The lease goes: the cohort may last."""
        self._end("preempted", lambda: self.journal.stop("preempted", "stopped by the user"))
        self.lease.release()

    def finished(self, result: Mapping[str, Any]) -> None:
        """Write the result."""
        self.journal.finish()
        written = self.run.write_result(result, self.lease)
        self.over = True  # whatever becomes of the mirrors
        summary = run_summary(written)
        for tracker in self.trackers:
            tracker.summary(summary)
        self._end("finished", self.journal.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.over:
            self._end("preempted", lambda: self.journal.stop("preempted"))
        self.journal.abandon()

    def _end(self, status: Status, write_down: Callable[[], None]) -> None:
        """Record the end where possible, then close the trackers."""
        self.over = True
        try:
            write_down()
        except FencedError:
            log.warning("run %s: another process has it now", self.run.run_id)
        except OSError as error:
            log.error("run %s: has %s, and that could not be written down: %s", self.run.run_id, status, error)
        for tracker in self.trackers:
            tracker.close(status)


class RunListener(Listener):
    """Passes what the training loop tells to the recorder of each run, and draws the pictures."""

    def __init__(
        self,
        recorders: Mapping[str, RunRecorder],
        *,
        val: PoseData,
        input_size: tuple[int, int],
        source: ImageSource,
        teacher: nn.Module | None,
        pruned_by: str = "",
        metrics: Sequence[MetricUse] = (),
        elsewhere: OtherSets | None = None,
    ) -> None:
        self.metrics_asked, self.pruned_by, self.elsewhere = metrics, pruned_by, elsewhere
        self.recorders, self.val, self.teacher = recorders, val, teacher
        self.input_size, self.source = input_size, source
        self._pictured: Batch | None = None
        self._diagnose = Diagnoser(val)

    def restored(self, member: Member, damaged: Sequence[Path]) -> None:
        """The run starts at `member.step`."""
        self.recorders[member.name].started(member.step, damaged)

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        """Numbers of training or validation."""
        self.recorders[member.name].metrics(member.step, epoch, values)

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        """Keep the best weights and predictions, and draw."""
        recorder = self.recorders[member.name]
        aside = recorder.lease.aside
        if is_best:
            save_weights(recorder.run.weights, member.evaluated, recorder.weights_say, aside=aside)
            write_whole(recorder.run.predictions, json_text(evaluation.results), aside=aside)
            write_keypoints(recorder.run.keypoints, evaluation.keypoints, aside=aside)
            if self.metrics_asked:
                recorder.run.measured.write(measured_by(self.metrics_asked, evaluation.metrics), aside=aside)
            with _worth_a_warning(recorder.run, "diagnosis"):
                recorder.run.diagnosis.write(self._diagnose(evaluation.results), aside=aside)
        with _worth_a_warning(recorder.run, f"pictures at epoch {epoch}"):
            self._draw(member, epoch, recorder)

    def checkpointing(self, member: Member) -> None:
        """Sync the journal: the run will not repeat these steps."""
        self.recorders[member.name].journal.sync()

    def checkpointed(self, member: Member) -> None:
        """Note it in the journal."""
        recorder = self.recorders[member.name]
        path = recorder.run.checkpoints.relative_to(recorder.run.path)
        recorder.journal.checkpoint(step=member.step, epoch=None, path=path, memory_bytes=_peak(member))

    def ended(self, member: Member, epoch: int) -> None:
        """A search prunes the run, or the user stopped it; its cohort goes on."""
        if self.recorders[member.name].run.is_stopped:
            self.recorders[member.name].stopped()
            return
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
            cost = cost_json(member.model, self.input_size, cpu=recorder.origin.get("cpu"))
            recorder.run.cost.write(cost, aside=recorder.lease.aside)
        with _worth_a_warning(recorder.run, "what was found by picture"):
            write_per_picture(
                recorder.run.per_picture(), self._diagnose.by_picture(recorder.run), aside=recorder.lease.aside
            )
        if self.elsewhere is not None:
            with _worth_a_warning(recorder.run, "measures on other sets"):
                self.elsewhere.measure(recorder.run, aside=recorder.lease.aside)
        recorder.finished(
            {
                "metrics": member.best,
                "best_epoch": member.best_epoch,
                "last": member.last,
                "epochs": member.schedule.epochs,
                "steps": member.step,
                "seconds": round(member.seconds, 3),
                "cpu_seconds": round(member.cpu_seconds, 3),
                "gpu_seconds": round(member.seconds, 3) if recorder.origin["device"].startswith("cuda") else 0.0,
                "cohort": recorder.cohort["id"],
                "cohort_size": recorder.cohort["size"],
                "memory_bytes": _peak(member),
                **({} if recorder.micro_batch is None else {"micro_batch": recorder.micro_batch}),
                "parameters": sum(p.numel() for p in member.model.parameters() if p.requires_grad),
                "provenance": {**recorder.origin, "finished": time.time()},
            }
        )

    def left(self, member: Member) -> None:
        """Write nothing more about it."""
        self.recorders[member.name].left()

    def _draw(self, member: Member, epoch: int, recorder: RunRecorder) -> None:
        if self._pictured is None:  # the same people at every validation of every row, from all over the split
            shown = some_people(self.val, PICTURED)
            self._pictured = next(
                eval_batches(shown, input_size=self.input_size, batch_size=PICTURED, cache=self.source)
            )
        device = next(member.model.parameters()).device
        batch = Batch(*(part.to(device) for part in self._pictured))
        folder = recorder.run.pictures / f"epoch-{epoch:04d}"
        with torch.no_grad():
            files = write_pictures(
                member.evaluated,
                self.teacher,
                batch,
                self.val.skeleton,
                folder,
                count=PICTURED,
                title=f"{recorder.title}, epoch {epoch}",
                aside=recorder.lease.aside,
            )
        for file in files:
            where = file.path.relative_to(recorder.run.path)
            recorder.journal.picture(member.step, file.kind, where, file.caption, epoch=epoch)
            for tracker in recorder.trackers:
                tracker.picture(member.step, file.kind, where, file.caption, epoch=epoch)


def _peak(member: Member) -> int:
    return peak_memory(next(member.model.parameters()).device)
