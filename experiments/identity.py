"""What makes a run that run: a hash of everything that can change its result, and of nothing that cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.pairing import pinned_sizes
from experiments.recipe import RunRecipe, to_json

RESULT_VERSION = 1
"""Part of every identity; raised by a change of the code after which the same recipe gives other results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What a plan has to know about data: the fingerprint of both splits together (content, never paths) and the
    counts.

    `boxes` is `gt`, or the checksum of the file of the detector's boxes. `annotations` are the checksums of the files
    of train and val, by which reports know published data; synthetic people have neither these nor a `name`, which is
    the folder's, for people to read.
    """

    fingerprint: str
    train_people: int
    val_people: int
    boxes: str = "gt"
    annotations: tuple[str, ...] = ()
    name: str = ""


def run_identity(
    recipe: RunRecipe, facts: DataFacts, teacher_id: str | None, values: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything that can change the run's result, as JSON values of declared types.

    Sizes that were not chosen stand as the published numbers, so that writing them out changes nothing. What has no
    effect is left out: where the data lie, the form of a loss that is off, and a method of training that is not used.
    `teacher_id` is that of the teacher the run uses, or None; for one that no run of ours trained, of the content of
    its files. `values` is the recipe as JSON, where that is at hand; it is not changed.
    """
    identity = dict(to_json(recipe) if values is None else values)
    for field in ("evaluation", "losses", "circulation"):
        if identity[field] is not None:
            identity[field] = dict(identity[field])
    del identity["given_teacher"]  # paths: `teacher` says what is in them
    identity["version"] = RESULT_VERSION
    identity["data"] = facts.fingerprint
    identity["teacher"] = teacher_id
    model = recipe.model
    identity["model"] = {"model": model.model, "init": model.init, **_lists(pinned_sizes(model))}
    identity["evaluation"]["boxes"] = facts.boxes
    if not recipe.evaluation.flip_test:
        del identity["evaluation"]["flip_coordinates"], identity["evaluation"]["flip_scores"]
    if recipe.losses is None:
        # These two speak of coordinates and scores of regression heads; a heatmap's flip test has no such choice.
        identity["evaluation"].pop("flip_coordinates", None)
        identity["evaluation"].pop("flip_scores", None)
    if recipe.losses is not None and recipe.losses.SH == 0:
        del identity["losses"]["SH_form"]
    if recipe.losses is not None and (recipe.losses.CS == 0 or recipe.losses.CS_cell == "official"):
        del identity["losses"]["CS_cell"]  # as it was before there was a choice: such runs keep their ids
    if recipe.circulation is None:
        del identity["circulation"]
    elif not recipe.circulation.compares_cycles:
        del identity["circulation"]["stop_gradient"]
    return identity


def _lists(sizes: Mapping[str, object]) -> dict[str, object]:
    return {name: list(size) if isinstance(size, tuple) else size for name, size in sizes.items()}


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, -0.0 as 0.0. Raises ValueError for NaN and infinity."""
    text = _ENCODER.encode(value)
    return text if "-0.0" not in text else _ENCODER.encode(_without_negative_zero(value))


def _without_negative_zero(value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return {key: _without_negative_zero(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_negative_zero(item) for item in value]
    return value


def digest(value: Any) -> str:
    """Twelve hexadecimal digits of a value's SHA-256."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def run_id(recipe: RunRecipe, facts: DataFacts, teacher_id: str | None) -> str:
    """The id of a run: equal for equal runs, whatever sweep wants them."""
    return digest(run_identity(recipe, facts, teacher_id))
