"""Which slots have room for which runs, beside this launch's processes and those of the machine's other launches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from experiments.launch.neighbours import Neighbours, Tenant
from experiments.launch.packing import Peaks, Room, fits
from experiments.launch.protocol import Slot

Running = tuple[Slot, tuple[str, ...]]
"""A process of this launch: its slot and its runs."""


class Devices:
    """The devices of a launch's slots. What others have on them is known within `meeting` alone."""

    def __init__(
        self,
        slots: Sequence[Slot],
        rooms: Callable[[Slot], Room | None],
        peaks: Peaks,
        neighbours: Neighbours | None,
    ) -> None:
        self._slots, self._rooms, self._peaks = slots, rooms, peaks
        self._neighbours = None if all(slot.device == "cpu" for slot in slots) else neighbours
        self._others: list[Tenant] = []

    @contextmanager
    def meeting(self) -> Iterator[None]:
        """A time in which no other launch of this machine starts a process on a GPU."""
        if self._neighbours is None:
            yield
            return
        with self._neighbours.meet() as self._others:
            yield

    def fit(self, run_ids: tuple[str, ...], slot: Slot, running: Sequence[Running]) -> bool:
        """Whether the slot's device has room for the runs beside its tenants, ours and others'."""
        ours = [ids for at, ids in running if _same(at, slot)]
        room = self._rooms(slot) if ours or self._others else None
        if room is None:
            return True
        theirs = [tenant.peak for tenant in self._others if tenant.gpu == room.gpu]
        if theirs and len(ours) + len(theirs) >= sum(_same(one, slot) for one in self._slots):
            return False
        tenants = [self._peaks.running(ids, slot.device) for ids in ours]
        return fits(self._peaks.expected(run_ids, slot.device), [*tenants, *theirs], room)

    def tell(self, running: Sequence[Running]) -> None:
        """Tell the machine's other launches which GPUs our processes are on."""
        if self._neighbours is None:
            return
        rooms = [(self._rooms(slot), slot, ids) for slot, ids in running]
        self._neighbours.tell(
            [Tenant(room.gpu, self._peaks.running(ids, slot.device)) for room, slot, ids in rooms if room is not None]
        )


def _same(one: Slot, other: Slot) -> bool:
    return (one.machine, one.device) == (other.machine, other.device)
