"""The processes that train one cohort together: who is who, and what they must agree on.

The first alone talks to the user and writes to disk; the others learn from it what it decided. They agree
through the processors, never through GPUs: a validation on the first may last, and a GPU that waits for long is taken
for dead.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from distilpose.training.member import Member

T = TypeVar("T")
_PATIENCE = timedelta(days=1)


def meet(device: torch.device) -> None:
    """Join the processes that torchrun started with this one, where it did; `device` is what this one computes on."""
    if dist.is_available() and dist.is_torchelastic_launched() and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=30))


class Ranks:
    """The processes of the process group there is, or, without one, this process alone."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1
        self._group: Any = dist.new_group(backend="gloo", timeout=_PATIENCE) if self.size > 1 else None

    @property
    def leads(self) -> bool:
        """Whether this process is the first, which writes and evaluates."""
        return self.rank == 0

    def any_of(self, flags: Sequence[bool]) -> list[bool]:
        """Which flags are true in at least one process."""
        if self.size == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self._group)
        return [bool(flag) for flag in raised.tolist()]

    def of_first(self, value: T) -> T:
        """The first process's value, in all of them. It may be anything that is pickled: it comes from ourselves."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes, on the device of `values`."""
        summed = values.detach().clone()
        dist.all_reduce(summed)
        return summed / self.size

    def agree_on_leaving(self, members: Sequence[Member]) -> None:
        """Let every process know of the members that left the first one's cohort."""
        for member, gone in zip(members, self.any_of([member.gone for member in members]), strict=True):
            member.gone = gone

    def wait(self) -> None:
        """Return once every process has come here."""
        self.any_of([False])
