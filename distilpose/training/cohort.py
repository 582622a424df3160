"""The training loop: many runs, one stream of batches, one teacher forward.

Every run has its own model, optimiser, journal and place in the stream, and shares only what cannot change its
numbers: the batches, which are a function of (seed, epoch, step), and the frozen teacher's output. So a run ends with
the same numbers alone as in any cohort, and runs whose checkpoints lie at different steps can go on together: the
stream starts at the one furthest behind, and the others join when it reaches them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from distilpose.data.stream import Batch
from distilpose.data.upload import Uploader
from distilpose.evaluation.evaluate import Evaluation
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.models.measure import plain_forward, with_attention
from distilpose.training.batch_norm import split_batch_norm, synchronise_batch_norm
from distilpose.training.checkpoint import Found, load_checkpoint, save_checkpoint
from distilpose.training.compiled import eagerly
from distilpose.training.member import Member
from distilpose.training.pulls import is_due, pulls
from distilpose.training.ranks import Ranks
from distilpose.whole_files import FencedError

Validate = Callable[[Mapping[str, nn.Module]], Mapping[str, Evaluation]]


class Interrupted(Exception):
    """A validation was asked to stop in the middle."""


class Stream(Protocol):
    """Batches as a pure function of (epoch, step); `distilpose.data.stream.PeopleStream` is one."""

    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a step on."""


class Listener:
    """What the loop calls as runs train. This one does nothing; a subclass overrides what it needs."""

    def restored(self, member: Member, damaged: Sequence[Path]) -> None:
        """The run starts, or goes on, at `member.step`; newer checkpoints were `damaged`."""

    def metrics(self, member: Member, epoch: int, values: dict[str, float]) -> None:
        """Numbers of training or validation at `member.step`."""

    def validated(self, member: Member, epoch: int, evaluation: Evaluation, *, is_best: bool) -> None:
        """A validation is over; `member.evaluated` is in eval mode."""

    def checkpointing(self, member: Member) -> None:
        """A checkpoint is about to be written: what it was given so far must be on disk first."""

    def checkpointed(self, member: Member) -> None:
        """A checkpoint at `member.step` is on disk."""

    def ended(self, member: Member, epoch: int) -> None:
        """The run leaves before its end, checkpointed, as `should_end` or `stopped` wished."""

    def failed(self, member: Member) -> None:
        """The run has stopped for good, for the reason in `member.failure`."""

    def finished(self, member: Member) -> None:
        """The run is over; `member.best` and `member.last` hold its validations."""

    def left(self, member: Member) -> None:
        """Another process has the run now: nothing more may be written about it here."""


def train_cohort(
    members: Sequence[Member],
    *,
    stream: Stream,
    validate: Validate,
    fabric: Fabric,
    listener: Listener | None = None,
    teacher: nn.Module | None = None,
    metric: str = "AP",
    higher_is_better: bool = True,
    log_every: int = 50,
    checkpoint_seconds: float = 60.0,
    micro_batch: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    should_end: Callable[[Member], bool] = lambda member: False,
    stopped: Callable[[], Sequence[str]] = tuple,
    ranks: Ranks | None = None,
) -> bool:
    """True once every member has finished, failed, left or been ended; False when `should_stop` ended it, checkpointed.

    A member leaves when another process has taken its run (`FencedError`, from writing its checkpoint or from the
    listener); the others go on.

    Args:
        members: the runs. Each continues from its newest checkpoint, if it has one.
        stream: the training batches.
        validate: evaluates models by name.
        fabric: device and precision.
        listener: told of metrics, validations, checkpoints and ends.
        teacher: the frozen heatmap model; required when a member needs one.
        metric: whose best value decides which weights are kept.
        higher_is_better: whether the best is the highest.
        log_every: optimiser steps between training metrics.
        checkpoint_seconds: time between checkpoints; one is also written after each validation.
        micro_batch: how many people go through a model at once, None for the whole batch. The gradients are those of
            the whole batch, but for batch normalisation, whose statistics are of each part, and the official form of
            SH, which mixes the people of a batch.
        should_stop: asked after every step. `validate` may raise `Interrupted` when it is asked to stop.
        should_end: asked of every member after each validation but its last; one that shall end leaves with its
            checkpoint, and the others go on.
        stopped: asked after every step for the names of the members that shall leave like that at once.
        ranks: the processes that train this cohort together, each on its share of every batch: the gradients are those
            of the whole batch, and so are the statistics of batch normalisation, unless a member's schedule has several
            cards. The first evaluates, writes checkpoints and is the one whose `listener` should say anything. How many
            they are may change between a checkpoint and going on from it.
    """
    ranks, listener = ranks or Ranks(), listener or Listener()
    loop = _Loop(fabric, stream, listener, teacher, log_every, micro_batch, ranks)
    upload = Uploader(fabric.device)
    for member in members:
        member.model.to(fabric.device)
        member.evaluated.to(fabric.device)
        if isinstance(member.criterion, nn.Module):
            member.criterion.to(fabric.device)
        state, damaged = ranks.of_first(load_checkpoint(member.checkpoints) if ranks.leads else Found(None, ()))
        if state is not None:
            member.restore(state)
        for path in damaged:  # or it would be kept for the newest
            path.unlink(missing_ok=True)
        loop.set_up(member)
        with _may_leave(member, listener):
            listener.restored(member, damaged)
    saved_at = time.monotonic()

    def checkpoint(those: Sequence[Member]) -> None:
        for member in those if ranks.leads else ():
            with _may_leave(member, listener):
                listener.checkpointing(member)
                save_checkpoint(member.checkpoints, member.step, member.state(), aside=member.aside)
                listener.checkpointed(member)

    ranks.agree_on_leaving(members)
    running = [member for member in members if member.works]
    while running:
        position = min(member.step for member in running)
        epoch, offset = divmod(position, stream.steps_per_epoch)
        here = [member for member in running if member.step == position]
        if offset == 0:
            due = [m for m in here if m.schedule.validates_after(epoch) and m.validated_step < m.step]
            due = [m for m in due if loop.is_finite(m)]
            if due:
                judged = (metric, higher_is_better)
                with eagerly():
                    interrupted = ranks.leads and _is_interrupted(due, epoch, validate, listener, *judged)
                if ranks.of_first(interrupted):  # it will be done again
                    checkpoint([member for member in here if member.works])
                    return False
                for member in due:
                    member.validated_step = member.step
                loop.charge(due, [0.0] * len(due))
                checkpoint([member for member in due if member.works])
                saved_at = time.monotonic()
            for member in here:
                if member.works and member.step >= member.schedule.epochs * stream.steps_per_epoch:
                    with _may_leave(member, listener):
                        listener.finished(member)
            going_on = [m for m in due if m.works and m.step < m.schedule.epochs * stream.steps_per_epoch]
            ended = ranks.of_first([m.name for m in going_on if should_end(m)] if ranks.leads else [])
            for member in going_on:
                if member.name in ended:
                    member.ended = True
                    with _may_leave(member, listener):
                        listener.ended(member, epoch)
            ranks.agree_on_leaving(running)
        running = [m for m in running if m.works and m.step < m.schedule.epochs * stream.steps_per_epoch]
        if not running or min(member.step for member in running) != position:
            continue

        loop.restart_clock()
        for batch in upload(stream.epoch(epoch, offset)):
            here = [member for member in running if member.step == position and member.works]
            loop.step(here, batch, epoch)
            position += 1
            leaving = [m.name for m in running if m.works and m.name in asked] if (asked := stopped()) else []
            late = time.monotonic() - saved_at > checkpoint_seconds
            stop, save, leave = ranks.any_of([should_stop(), ranks.leads and late, ranks.leads and bool(leaving)])
            if stop or save or leave:
                checkpoint([m for m in running if m.works and loop.is_finite(m)])
                names = ranks.of_first(leaving) if leave else []
                for member in [m for m in running if m.works and m.name in names]:
                    member.ended = True
                    with _may_leave(member, listener):
                        listener.ended(member, epoch)
                ranks.agree_on_leaving(running)
                saved_at = time.monotonic()
            if stop:
                return False
            if not any(member.works and member.step == position for member in running):
                break
        running = [member for member in running if member.works]
    return True


@contextmanager
def _may_leave(member: Member, listener: Listener) -> Iterator[None]:
    """Let the member leave its cohort where another process turns out to have its run."""
    try:
        yield
    except FencedError:
        member.gone = True
        listener.left(member)


def _is_interrupted(
    due: Sequence[Member], epoch: int, validate: Validate, listener: Listener, metric: str, higher_is_better: bool
) -> bool:
    """Evaluate and tell, unless it is interrupted."""
    for member in due:
        member.evaluated.eval()
    try:
        evaluations = validate({member.name: member.evaluated for member in due})
    except Interrupted:
        return True
    for member in due:
        evaluation = evaluations[member.name]
        is_best = member.improves(evaluation.metrics, metric, higher_is_better=higher_is_better)
        member.last = dict(evaluation.metrics)
        if is_best:
            member.best, member.best_epoch = member.last, epoch
        member.validated_step = member.step
        with _may_leave(member, listener):
            listener.metrics(member, epoch, {f"val/{name}": value for name, value in evaluation.metrics.items()})
            listener.validated(member, epoch, evaluation, is_best=is_best)
    return False


class _Loop:
    """What one optimiser step needs: the wrapped models, and the sums behind the next training metrics."""

    def __init__(
        self,
        fabric: Fabric,
        stream: Stream,
        listener: Listener,
        teacher: nn.Module | None,
        log_every: int,
        micro_batch: int | None,
        ranks: Ranks,
    ) -> None:
        if micro_batch is not None and micro_batch < 1:
            raise ValueError(f"micro_batch: must be at least 1, got {micro_batch}")
        self.micro_batch, self.ranks = micro_batch, ranks
        self.fabric, self.stream, self.listener, self.log_every = fabric, stream, listener, log_every
        self.teacher = None if teacher is None else teacher.to(fabric.device).eval().requires_grad_(False)
        self.wrapped: dict[str, Any] = {}
        self.charged, self.charged_cpu = time.perf_counter(), time.process_time()
        self.restart_clock()

    def set_up(self, member: Member) -> None:
        if member.needs_teacher and self.teacher is None:
            raise ValueError(f"run {member.name}: its losses distil a teacher, but the cohort was given none")
        cards = member.schedule.cards
        if cards > 1:
            people = member.schedule.batch_size // self.ranks.size
            parts = -(-people // (self.micro_batch or people))
            split_batch_norm(member.model, max(1, cards // (self.ranks.size * parts)))
        elif self.ranks.size > 1:
            synchronise_batch_norm(member.model)
            if isinstance(member.criterion, nn.Module) and any(True for _ in member.criterion.parameters()):
                raise ValueError(f"run {member.name}: a loss with parameters trains in one process; use one GPU a run")
        wrapped, _ = self.fabric.setup(member.model, member.optimizer)
        self.wrapped[member.name] = wrapped

    def step(self, members: Sequence[Member], batch: Batch, epoch: int) -> None:
        size = self.micro_batch or len(batch.images)
        parts = [Batch(*part) for part in zip(*(torch.split(tensor, size) for tensor in batch), strict=True)]
        teach = any(member.needs_teacher for member in members)
        look = any(member.needs_teacher_attention for member in members)
        taught = [self._teach(part.images, look) if teach else None for part in parts]
        own = []
        for member in members:
            began = time.perf_counter()
            self._step_one(member, parts, taught)
            own.append(time.perf_counter() - began)
        self.charge(members, own)
        self.images += len(batch.images) * self.ranks.size
        due = [m for m in members if m.step % self.log_every == 0 or m.step % self.stream.steps_per_epoch == 0]
        for member in due:
            self._report(member, epoch)
        if due:
            self.ranks.agree_on_leaving(due)
            self.charged, self.charged_cpu = time.perf_counter(), time.process_time()
        self.restart_clock()

    def restart_clock(self) -> None:
        """Begin a new window for the images per second, so that validations do not count."""
        self.clock, self.images = time.monotonic(), 0

    def charge(self, members: Sequence[Member], own: Sequence[float]) -> None:
        """Give members the seconds since the last charge: each its `own`, the rest (data, teacher, validation) evenly.

        So the seconds of a cohort's members add up to those of its process, and so do their seconds of CPU, which are
        shared out in proportion.
        """
        now, cpu = time.perf_counter(), time.process_time()
        elapsed = now - self.charged
        shared = (elapsed - sum(own)) / len(members)
        busy = (cpu - self.charged_cpu) / max(elapsed, 1e-9)
        for member, seconds in zip(members, own, strict=True):
            member.seconds += seconds + shared
            member.cpu_seconds += (seconds + shared) * busy
        self.charged, self.charged_cpu = now, cpu

    def is_finite(self, member: Member) -> bool:
        """False, and the run is failed, once a gradient of it was not finite."""
        if "bad_step" not in member.sums or int(member.sums["bad_step"]) < 0:
            return True
        member.failure = (
            f"gradients were not finite at step {int(member.sums['bad_step'])}; "
            "lower the learning rate or the loss weights, or train in fp32"
        )
        with _may_leave(member, self.listener):
            self.listener.failed(member)
        return False

    @torch.no_grad()
    def _teach(self, images: Tensor, look: bool) -> HeatmapOutput:
        assert self.teacher is not None
        with self.fabric.autocast():
            output = (with_attention if look else plain_forward)(self.teacher, images)
        # An own model's output may hold more than tensors.
        return output._make(part.float() if isinstance(part, Tensor) else None for part in output)  # type: ignore[no-any-return]

    def _step_one(self, member: Member, parts: Sequence[Batch], taught: Sequence[HeatmapOutput | None]) -> None:
        rate = member.schedule.learning_rate(member.step, self.stream.steps_per_epoch)
        for group in member.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        member.set_to_train()
        member.optimizer.zero_grad(set_to_none=True)
        people = sum(len(part.images) for part in parts)
        sums: dict[str, Tensor] = {}
        seen: dict[str, float] = {}
        for index, (part, target) in enumerate(zip(parts, taught, strict=True)):
            with self._gradients_stay_here(member, index < len(parts) - 1):
                output = member.forward(self.wrapped[member.name], part.images)
                # Every term is a mean over the people of the batch: that of a part counts by its share of them.
                terms = member.criterion(output, part, target, member.step / self.stream.steps_per_epoch)
                terms = {name: term * (len(part.images) / people) for name, term in terms.items()}
                loss = torch.stack(list(terms.values())).sum()
                if index == 0 and is_due(member.step) and self.ranks.size == 1:
                    seen = pulls(terms, [p for p in member.model.parameters() if p.requires_grad])
                self.fabric.backward(loss)
            for name, value in {"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}}.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()
        if self.ranks.size > 1:
            sums = dict(zip(sums, self.ranks.mean(torch.stack(list(sums.values()))).unbind(), strict=True))
        gradients = [p.grad for p in member.trainable if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if member.clip_grad_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(member.trainable, member.clip_grad_norm, norm)
        member.optimizer.step()
        member.step += 1
        member.average()
        # Sums stay on the device: reading one here would make the processor wait for the accelerator at every step.
        for name, value in {**sums, "grad_norm": norm}.items():
            member.sums[name] = member.sums[name] + value if name in member.sums else value
        bad = member.sums.get("bad_step", torch.full_like(norm, -1.0))
        member.sums["bad_step"] = torch.where((bad < 0) & ~torch.isfinite(norm + sums["loss"]), member.step, bad)
        member.summed_steps += 1
        if seen:
            epoch = (member.step - 1) // self.stream.steps_per_epoch
            with _may_leave(member, self.listener):
                self.listener.metrics(member, epoch, {f"pull/{name}": value for name, value in seen.items()})

    def _gradients_stay_here(self, member: Member, stay: bool) -> AbstractContextManager[None]:
        """Among several processes, a context whose backward pass adds to the gradients and does not yet share them."""
        if self.ranks.size == 1:
            return nullcontext()
        context: AbstractContextManager[None] = self.fabric.no_backward_sync(self.wrapped[member.name], enabled=stay)
        return context

    def _report(self, member: Member, epoch: int) -> None:
        if not self.is_finite(member):
            return
        totals = torch.stack(list(member.sums.values())).tolist()  # one look at the device for all of them
        values = {
            f"train/{name}": total / member.summed_steps
            for name, total in zip(member.sums, totals, strict=True)
            if name != "bad_step"
        }
        values["train/lr"] = member.optimizer.param_groups[0]["lr"]
        values["train/images_per_second"] = self.images / max(time.monotonic() - self.clock, 1e-9)
        member.sums, member.summed_steps = {}, 0
        with _may_leave(member, self.listener):
            self.listener.metrics(member, epoch, values)
