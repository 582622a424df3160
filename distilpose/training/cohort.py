"""The training loop: many runs, one stream of batches, one teacher forward.

Every run has its own model, optimiser, journal and place in the stream, and shares only what cannot change its
numbers: the batches, which are a function of (seed, epoch, step), and the frozen teacher's output. So a run ends with
the same numbers alone as in any cohort, and runs whose checkpoints lie at different steps can go on together: the
stream starts at the one furthest behind, and the others join when it reaches them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from distilpose.data.stream import Batch
from distilpose.evaluation.evaluate import Evaluation
from distilpose.models.outputs import HeatmapOutput
from distilpose.training.checkpoint import load_checkpoint, save_checkpoint
from distilpose.training.member import Member

Validate = Callable[[Mapping[str, nn.Module]], Mapping[str, Evaluation]]


class Stream(Protocol):
    """Batches as a pure function of (epoch, step); `distilpose.data.stream.PeopleStream` is one."""

    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""


class Listener(Protocol):
    """Who is told what happens to each run."""

    def restored(self, member: Member) -> None:
        """The run starts, or goes on, at `member.step`."""

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        """Numbers of training or validation at `member.step`."""

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        """A validation is over; `member.model` is in eval mode."""

    def checkpointed(self, member: Member) -> None:
        """A checkpoint at `member.step` is on disk."""

    def ended(self, member: Member, epoch: int) -> None:
        """The run leaves before its end, checkpointed, as `should_end` wished."""

    def failed(self, member: Member) -> None:
        """The run has stopped for good, for the reason in `member.failure`."""

    def finished(self, member: Member) -> None:
        """The run is over; `member.best` and `member.last` hold its validations."""


def train_cohort(
    members: Sequence[Member],
    *,
    stream: Stream,
    validate: Validate,
    listener: Listener,
    fabric: Fabric,
    teacher: nn.Module | None = None,
    metric: str = "AP",
    log_every: int = 50,
    checkpoint_seconds: float = 60.0,
    should_stop: Callable[[], bool] = lambda: False,
    should_end: Callable[[Member], bool] = lambda member: False,
) -> bool:
    """True once every member has finished, failed or been ended; False when `should_stop` ended all, checkpointed.

    Args:
        members: the runs. Each continues from its newest checkpoint, if it has one.
        stream: the training batches.
        validate: evaluates models by name.
        listener: told of metrics, validations, checkpoints and ends.
        fabric: device and precision.
        teacher: the frozen heatmap model; required when a member needs one.
        metric: whose best value decides which weights are kept.
        log_every: optimiser steps between training metrics.
        checkpoint_seconds: time between checkpoints; one is also written after each validation.
        should_stop: asked after every step.
        should_end: asked of every member after each validation but its last; one that shall end leaves with its
            checkpoint, and the others go on.
    """
    loop = _Loop(fabric, stream, listener, teacher, log_every)
    for member in members:
        member.model.to(fabric.device)
        state = load_checkpoint(member.checkpoints)
        if state is not None:
            member.restore(state)
        loop.set_up(member)
        listener.restored(member)
    saved_at = time.monotonic()

    def checkpoint(those: Sequence[Member]) -> None:
        for member in those:
            save_checkpoint(member.checkpoints, member.step, member.state())
            listener.checkpointed(member)

    running = list(members)
    while running:
        position = min(member.step for member in running)
        epoch, offset = divmod(position, stream.steps_per_epoch)
        here = [member for member in running if member.step == position]
        if offset == 0:
            due = [m for m in here if m.schedule.validates_after(epoch) and m.validated_step < m.step]
            due = [m for m in due if loop.is_finite(m)]
            if due:
                _validate(due, epoch, validate, listener, metric)
                loop.charge(due, [0.0] * len(due))
                checkpoint(due)
                saved_at = time.monotonic()
            for member in here:
                if member.failure is None and member.step >= member.schedule.epochs * stream.steps_per_epoch:
                    listener.finished(member)
                elif member in due and should_end(member):
                    member.ended = True
                    listener.ended(member, epoch)
        running = [m for m in running if m.failure is None and m.step < m.schedule.epochs * stream.steps_per_epoch]
        running = [m for m in running if not m.ended]
        if not running or min(member.step for member in running) != position:
            continue

        loop.restart_clock()
        for batch in stream.epoch(epoch, offset):
            here = [member for member in running if member.step == position and member.failure is None]
            loop.step(here, batch, epoch)
            position += 1
            stop = should_stop()
            if stop or time.monotonic() - saved_at > checkpoint_seconds:
                checkpoint([m for m in running if m.failure is None and loop.is_finite(m)])
                saved_at = time.monotonic()
            if stop:
                return False
            if all(member.failure is not None for member in running):
                break
        running = [member for member in running if member.failure is None]
    return True


def _validate(due: Sequence[Member], epoch: int, validate: Validate, listener: Listener, metric: str) -> None:
    for member in due:
        member.model.eval()
    evaluations = validate({member.name: member.model for member in due})
    for member in due:
        evaluation = evaluations[member.name]
        is_best = member.improves(evaluation.metrics, metric)
        member.last = dict(evaluation.metrics)
        if is_best:
            member.best, member.best_epoch = member.last, epoch
        member.validated_step = member.step
        listener.metrics(member, epoch, {f"val/{name}": value for name, value in evaluation.metrics.items()})
        listener.validated(member, epoch, evaluation, is_best=is_best)


class _Loop:
    """What one optimiser step needs: the wrapped models, and the sums behind the next training metrics."""

    def __init__(
        self, fabric: Fabric, stream: Stream, listener: Listener, teacher: nn.Module | None, log_every: int
    ) -> None:
        self.fabric, self.stream, self.listener, self.log_every = fabric, stream, listener, log_every
        self.teacher = None if teacher is None else teacher.to(fabric.device).eval().requires_grad_(False)
        self.wrapped: dict[str, Any] = {}
        self.charged = time.perf_counter()
        self.restart_clock()

    def set_up(self, member: Member) -> None:
        if member.needs_teacher and self.teacher is None:
            raise ValueError(f"run {member.name}: its losses distil a teacher, but the cohort was given none")
        wrapped, _ = self.fabric.setup(member.model, member.optimizer)
        self.wrapped[member.name] = wrapped

    def step(self, members: Sequence[Member], batch: Batch, epoch: int) -> None:
        batch = Batch(*(tensor.to(self.fabric.device, non_blocking=True) for tensor in batch))
        taught = self._teach(batch.images) if any(member.needs_teacher for member in members) else None
        own = []
        for member in members:
            began = time.perf_counter()
            self._step_one(member, batch, taught)
            own.append(time.perf_counter() - began)
        self.charge(members, own)
        self.images += len(batch.images)
        due = [m for m in members if m.step % self.log_every == 0 or m.step % self.stream.steps_per_epoch == 0]
        for member in due:
            self._report(member, epoch)
        if due:
            self.charged = time.perf_counter()
        self.restart_clock()

    def restart_clock(self) -> None:
        """Begin a new window for the images per second, so that validations do not count."""
        self.clock, self.images = time.monotonic(), 0

    def charge(self, members: Sequence[Member], own: Sequence[float]) -> None:
        """Give members the seconds since the last charge: each its `own`, the rest (data, teacher, validation) evenly.

        So the seconds of a cohort's members add up to those of its process.
        """
        now = time.perf_counter()
        shared = (now - self.charged - sum(own)) / len(members)
        for member, seconds in zip(members, own, strict=True):
            member.seconds += seconds + shared
        self.charged = now

    def is_finite(self, member: Member) -> bool:
        """False, and the run is failed, once a gradient of it was not finite."""
        if "bad_step" not in member.sums or int(member.sums["bad_step"]) < 0:
            return True
        member.failure = (
            f"gradients were not finite at step {int(member.sums['bad_step'])}; "
            "lower the learning rate or the loss weights, or train in fp32"
        )
        self.listener.failed(member)
        return False

    @torch.no_grad()
    def _teach(self, images: Tensor) -> HeatmapOutput:
        assert self.teacher is not None
        with self.fabric.autocast():
            output = self.teacher(images)
        return HeatmapOutput._make(None if part is None else part.float() for part in output)

    def _step_one(self, member: Member, batch: Batch, taught: HeatmapOutput | None) -> None:
        rate = member.schedule.learning_rate(member.step, self.stream.steps_per_epoch)
        for group in member.optimizer.param_groups:
            group["lr"] = rate
        member.model.train()
        member.optimizer.zero_grad(set_to_none=True)
        output = member.forward(self.wrapped[member.name], batch.images)
        terms = member.criterion(output, batch, taught)
        loss = torch.stack(list(terms.values())).sum()
        self.fabric.backward(loss)
        gradients = [p.grad for p in member.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        member.optimizer.step()
        member.step += 1
        # Sums stay on the device: reading one here would make the processor wait for the accelerator at every step.
        sums = {"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}, "grad_norm": norm}
        for name, value in sums.items():
            member.sums[name] = member.sums[name] + value.detach() if name in member.sums else value.detach()
        bad = member.sums.get("bad_step", torch.full_like(norm, -1.0))
        member.sums["bad_step"] = torch.where((bad < 0) & ~torch.isfinite(norm + loss.detach()), member.step, bad)
        member.summed_steps += 1

    def _report(self, member: Member, epoch: int) -> None:
        if not self.is_finite(member):
            return
        values = {
            f"train/{name}": float(total) / member.summed_steps
            for name, total in member.sums.items()
            if name != "bad_step"
        }
        values["train/lr"] = member.optimizer.param_groups[0]["lr"]
        values["train/images_per_second"] = self.images / max(time.monotonic() - self.clock, 1e-9)
        member.sums, member.summed_steps = {}, 0
        self.listener.metrics(member, epoch, values)
