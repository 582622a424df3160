"""What makes a run that run: a hash of everything that can change its result, and of nothing that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from distilpose.losses.table import LOSSES
from distilpose.losses.use import Losses, LossUse
from distilpose.models.spec import MMPOSE
from distilpose.training.optimizers import ADAM
from distilpose.versions import ALL, code_of_model
from experiments.build.facts import DataFacts
from experiments.runs.digest import digest
from experiments.sweep.compatibility import pinned_options
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import to_json

_AUGMENTED = {"half_body": ("half_body_joints",), "rotation": ("rotation_p",), "shift": ("shift_p", "shift_draw")}
"""The details of each random change, which mean nothing where it is 0."""


def run_identity(
    recipe: RunRecipe, facts: DataFacts, teacher_id: str | None, values: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything that can change the run's result, as JSON values of declared types.

    Sizes that were not chosen stand as the published numbers, so that writing them out changes nothing. What has no
    effect is left out: where the data lie, losses that are off, options at their default, and a method of training
    that is not used. `code` holds the version of all code in use, and the digest of a user's own. `teacher_id` is that
    of the teacher the run uses, or None; for one that no run of ours trained, of the content of its files. `values` is
    the recipe as JSON, where that is at hand; it is not changed.
    """
    identity = dict(to_json(recipe) if values is None else values)
    identity["evaluation"] = dict(identity["evaluation"])
    del identity["given_teacher"]  # paths: `teacher` says what is in them
    identity["data"] = facts.fingerprint
    identity["teacher"] = teacher_id
    augmentation = identity["augmentation"] = dict(identity["augmentation"])
    for switch, details in _AUGMENTED.items():
        if not augmentation[switch]:
            for detail in details:
                del augmentation[detail]
    for option, default in (("optimizer", ADAM), ("ema", None), ("clip_grad_norm", None), ("compile", False)):
        if getattr(recipe, option) == default:
            del identity[option]
    decay = recipe.schedule.decay
    without = ["decay", "floor"] if decay == "milestones" else ["milestones", "gamma"]
    without += ["floor"] if decay == "constant" else []
    without += ["backbone_lr_mult"] if recipe.schedule.backbone_lr_mult == 1 else []
    identity["schedule"] = {name: value for name, value in identity["schedule"].items() if name not in without}
    model = recipe.model
    name = model.model if model.own is None else model.own.title
    identity["model"] = {"model": name, "init": model.init, **_lists(pinned_options(model))}
    if model.train != "all":
        identity["model"]["train"] = model.train
    if model.head is not None:
        identity["model"]["head"] = model.head if model.own_head is None else model.own_head.title
    identity["evaluation"]["boxes"] = facts.boxes
    identity["evaluation"]["best_by"] = recipe.evaluation.best_by.identity()
    if not recipe.evaluation.flip_test or recipe.losses is None:
        # They speak of coordinates and scores of regression heads; a heatmap's flip test has no such choice.
        del identity["evaluation"]["flip_coordinates"], identity["evaluation"]["flip_scores"]
    if recipe.losses is not None:
        identity["losses"] = dict(map(_loss_identity, recipe.losses))
    if recipe.circulation is None:
        del identity["circulation"]
    elif not recipe.circulation.compares_cycles:
        identity["circulation"] = {**identity["circulation"]}
        del identity["circulation"]["stop_gradient"]
    identity["code"] = code_of(recipe)
    return identity


def _loss_identity(use: LossUse) -> tuple[str, dict[str, Any]]:
    """A loss's name and what its id holds of it; its code stands elsewhere."""
    values = use.plain()
    values.pop("own", None)
    values.pop("version", None)
    if use.own is not None:
        return use.own.title, values
    defaults = LOSSES[use.name].signature.defaults()
    return use.name, {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}


def code_of(recipe: RunRecipe) -> dict[str, int | str]:
    """The version of every piece of code that the run uses; for a user's own, unless it has one, the digest."""
    pieces = ["training", "data", "evaluation", *code_of_model(recipe.model.spec())]
    if recipe.circulation is not None:
        pieces.append("circulation")
    losses = recipe.losses if recipe.losses is not None else Losses()
    pieces += [f"loss {use.name}" for use in losses if use.own is None]
    if recipe.losses is None:
        pieces.append("loss heatmap")
    own: dict[str, int | str]
    own = {use.own.title: use.own.code if use.version is None else use.version for use in losses if use.own is not None}
    model = recipe.model
    own |= {part.title: part.code if model.version is None else model.version for part in model.own_parts.values()}
    if model.model.startswith(MMPOSE):
        own["mmpose"] = version("mmpose")
    best_by = recipe.evaluation.best_by
    if best_by.own is not None:
        own[best_by.own.title] = best_by.code
    return {**{name: ALL[name].version for name in pieces}, **own}


def _lists(sizes: Mapping[str, object]) -> dict[str, object]:
    return {name: list(size) if isinstance(size, tuple) else size for name, size in sizes.items()}


def run_id(recipe: RunRecipe, facts: DataFacts, teacher_id: str | None) -> str:
    """The id of a run: equal for equal runs, whatever sweep wants them."""
    return digest(run_identity(recipe, facts, teacher_id))
