"""The launcher that a user's words ask for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.launch import torchrun
from experiments.launch.local import COMMAND, LocalLauncher
from experiments.launch.protocol import Launcher, Slot
from experiments.launch.slurm import SlurmLauncher
from experiments.launch.slurm_script import SlurmOptions, read_options

if TYPE_CHECKING:
    from experiments.launch.packing import Room
    from experiments.plan.plan import Plan

PLACES = ("local", "slurm", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A launcher, how many processes train one of its cohorts, what is known of its devices, how often to look at it,
    and what a user who interrupts should know.
    """

    launcher: Launcher
    processes: int = 1
    rooms: Callable[[Slot], Room | None] = lambda slot: None
    poll_seconds: float = 0.1
    farewell: str = "every run has its checkpoint, and the same command goes on from there."

    def faults(self, plan: Plan) -> list[str]:
        """Why cohorts of the plan cannot be trained by so many processes."""
        from experiments.sweep.recipe import run_recipe_from_json

        found: dict[str, None] = {}
        for run in plan.runs.values() if self.processes > 1 else ():
            people, cards = run.recipe["schedule"]["batch_size"], run.recipe["schedule"]["cards"]
            if people % self.processes:
                found[f"a batch of {people} people cannot be shared evenly by {self.processes} processes"] = None
            for use in run_recipe_from_json(run.recipe).losses or ():
                if use.mixes_people:
                    found[f"losses.{use.name} mixes all people of a batch, which then cannot be shared"] = None
            if cards > 1 and cards % self.processes:
                found[f"schedule.cards: {cards} cards cannot be shared evenly by {self.processes} processes"] = None
        return [f"--gpus-per-run {self.processes}: {fault}" for fault in found]


def choose(
    on: str = "local",
    *,
    device: str = "auto",
    jobs: int = 0,
    gpus_per_run: int = 1,
    slurm: Sequence[str] = (),
    ray_address: str | None = None,
) -> Chosen:
    """What `--on`, `--device`, `--jobs`, `--gpus-per-run`, `--slurm` and `--ray-address` ask for.

    Raises ValueError for a place or device that is not there, and for options that mean nothing where they are given.
    """
    if on not in PLACES:
        raise ValueError(f"--on: must be one of {', '.join(PLACES)}, got {on!r}")
    if slurm and on != "slurm":
        raise ValueError(f"--slurm {slurm[0]}: means nothing on {on}; add --on slurm")
    if ray_address is not None and on != "ray":
        raise ValueError(f"--ray-address {ray_address}: means nothing on {on}; add --on ray")
    if on == "slurm":
        return _slurm(read_options(slurm), device, jobs, gpus_per_run)
    if on == "ray":
        return _ray(ray_address, device, jobs, gpus_per_run)
    from experiments.launch.device_memory import Rooms
    from experiments.launch.devices import slots_for

    slots = slots_for(device, jobs, gpus_per_run)
    if gpus_per_run > 1:  # cohorts of several GPUs share none
        return Chosen(launcher=LocalLauncher(slots, command=_command(gpus_per_run)), processes=gpus_per_run)
    return Chosen(launcher=LocalLauncher(slots), rooms=Rooms())


def _command(processes: int, nodes: int = 1) -> tuple[str, ...]:
    return COMMAND if processes == 1 else torchrun.command(processes, nodes)


def _slurm(options: SlurmOptions, device: str, jobs: int, processes: int) -> Chosen:
    if device not in ("auto", "cuda", "cpu"):
        raise ValueError(f"--device: on Slurm must be auto, cuda or cpu (it chooses the GPUs), got {device!r}")
    if processes % options.nodes:
        raise ValueError(f"--slurm nodes={options.nodes}: must divide --gpus-per-run, which is {processes}")
    if shutil.which("sbatch") is None:
        raise ValueError("--on slurm: sbatch was not found; launch from a machine that has Slurm's commands")
    launcher = SlurmLauncher(
        options,
        device="cuda" if device == "auto" else device,  # a machine that launches tells nothing of those that compute
        jobs=jobs or 100,
        processes=processes,
        command=_command(processes, options.nodes),
    )
    if options.on_interrupt == "cancel":
        return Chosen(launcher=launcher, processes=processes, poll_seconds=1.0)
    farewell = "Slurm goes on with the jobs it has, and the same command follows them and submits the rest."
    return Chosen(launcher=launcher, processes=processes, poll_seconds=1.0, farewell=farewell)


def _ray(address: str | None, device: str, jobs: int, processes: int) -> Chosen:
    from experiments.launch.ray import RayLauncher

    if device not in ("auto", "cuda", "cpu"):
        raise ValueError(f"--device: on Ray must be auto, cuda or cpu (it chooses the GPUs), got {device!r}")
    launcher = RayLauncher(address, jobs=jobs, device=device, processes=processes, command=_command(processes))
    return Chosen(launcher=launcher, processes=processes, poll_seconds=0.5)
