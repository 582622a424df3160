"""The launchers by name. A new one is a file with its own options and a function like these, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from experiments.launch.inline import open_inline
from experiments.launch.local import open_local
from experiments.launch.protocol import Opened, Wish
from experiments.launch.ray import open_ray
from experiments.launch.slurm import open_slurm

if TYPE_CHECKING:
    from experiments.plan.plan import Plan

PLACES: dict[str, Callable[[Wish, Sequence[str]], Opened]] = {
    "local": open_local,
    "here": open_inline,
    "slurm": open_slurm,
    "ray": open_ray,
}


def choose(on: str = "local", wish: Wish | None = None, pairs: Sequence[str] = ()) -> Opened:
    """The launcher that `--on` names, with the options that the `--with` pairs give it.

    Raises ValueError for a place or device that is not there, and for options that the launcher does not have.
    """
    if on not in PLACES:
        raise ValueError(f"--on: must be one of {', '.join(PLACES)}, got {on!r}")
    return PLACES[on](wish or Wish(), pairs)


def sharing_faults(plan: Plan, processes: int) -> Iterable[str]:
    """Why cohorts of the plan cannot be trained by so many processes each."""
    from experiments.sweep.recipe_json import run_recipe_from_json

    found: dict[str, None] = {}
    for run in plan.runs.values() if processes > 1 else ():
        people, cards = run.recipe["schedule"]["batch_size"], run.recipe["schedule"]["cards"]
        if people % processes:
            found[f"a batch of {people} people cannot be shared evenly by {processes} processes"] = None
        for use in run_recipe_from_json(run.recipe).losses or ():
            if use.mixes_people:
                found[f"losses.{use.name} mixes all people of a batch, which then cannot be shared"] = None
        if cards > 1 and cards % processes:
            found[f"schedule.cards: {cards} cards cannot be shared evenly by {processes} processes"] = None
    return [f"--gpus-per-run {processes}: {fault}" for fault in found]
