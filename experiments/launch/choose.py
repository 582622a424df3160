"""The launcher that a user's words ask for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Launcher
from experiments.launch.slurm import SlurmLauncher
from experiments.launch.slurm_script import SlurmOptions, read_options

PLACES = ("local", "slurm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A launcher, how often it should be looked at, and what a user who interrupts it should know."""

    launcher: Launcher
    poll_seconds: float = 0.1
    farewell: str = "every run has its checkpoint, and the same command goes on from there."


def choose(on: str = "local", *, device: str = "auto", jobs: int = 0, slurm: Sequence[str] = ()) -> Chosen:
    """What `--on`, `--device`, `--jobs` and `--slurm` ask for.

    Raises ValueError for a place or device that is not there, and for options that mean nothing where they are given.
    """
    if on not in PLACES:
        raise ValueError(f"--on: must be one of {', '.join(PLACES)}, got {on!r}")
    if slurm and on != "slurm":
        raise ValueError(f"--slurm {slurm[0]}: means nothing on {on}; add --on slurm")
    if on == "slurm":
        return _slurm(read_options(slurm), device, jobs)
    from experiments.devices import slots_for

    return Chosen(launcher=LocalLauncher(slots_for(device, jobs)))


def _slurm(options: SlurmOptions, device: str, jobs: int) -> Chosen:
    if device not in ("auto", "cuda", "cpu"):
        raise ValueError(f"--device: on Slurm must be auto, cuda or cpu (it chooses the GPUs), got {device!r}")
    if shutil.which("sbatch") is None:
        raise ValueError("--on slurm: sbatch was not found; launch from a machine that has Slurm's commands")
    device = "cuda" if device == "auto" else device  # the machine that launches tells nothing of those that compute
    launcher = SlurmLauncher(options, device=device, jobs=jobs or 100)
    if options.on_interrupt == "cancel":
        return Chosen(launcher=launcher, poll_seconds=1.0)
    farewell = "Slurm goes on with the jobs it has, and the same command follows them and submits the rest."
    return Chosen(launcher=launcher, poll_seconds=1.0, farewell=farewell)
