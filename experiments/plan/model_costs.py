"""What models cost, asked of the built models and kept beside the runs. Imports torch only to ask."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from distilpose import models
from distilpose.data.skeleton import COCO
from distilpose.losses.table import STUDENT_ASKS
from distilpose.models.memory import Memory, process_bytes
from distilpose.parts.reference import Place
from distilpose.training.optimizers import moments
from experiments.plan.plan import Plan
from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.runs.store import Store
from experiments.sweep.choices import VALIDATION_CROPS
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import run_recipe_from_json, to_json

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

FILE = "model_costs.json"


class ModelCosts:
    """Answers by kind of model, asked once of the same code; `say` gets a line for each model it asks."""

    def __init__(
        self, store: Store, places: Mapping[str, Place] | None = None, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """`places` are those of users' own code by its digest, for a plan that no launch has kept yet."""
        self._file, self._parts, self._places, self._say = store.root / FILE, store.parts, places or {}, say
        self._answers: dict[str, Any] = _kept(self._file)

    def gmacs(self, recipe: Mapping[str, Any]) -> float | None:
        """Billions of multiply-adds of one image in a training step's forward pass; None if unknown."""

        def ask(model: nn.Module, run: RunRecipe) -> float | None:
            from distilpose.models.measure import count_costs
            from experiments.build.models import forward_of

            return count_costs(model, run.input_size, forward=forward_of(run)).gmacs

        answer: float | None = self._answer(recipe, "GMACs", ask)
        return answer

    def memory(self, recipe: Mapping[str, Any], *, people: int, trains: bool) -> Memory | None:
        """The bytes of a model with so many people at once, in a training step or without gradients."""

        def ask(model: nn.Module, run: RunRecipe) -> dict[str, int] | None:
            from distilpose.models.measure import measure_memory, plain_forward
            from experiments.build.models import forward_of

            forward = forward_of(run) if trains else plain_forward
            sizes: Any = {"people": people, "precision": run.precision, "trains": trains}
            memory = measure_memory(model, run.input_size, **sizes, forward=forward)
            return None if memory is None else asdict(memory)

        what = f"{recipe['precision']} {'training' if trains else 'forward'} of {people}"
        answer = self._answer(recipe, what, ask)
        if answer is None:
            return None
        run = run_recipe_from_json(recipe)
        return Memory(**{**answer, "moments": moments(run.optimizer), "averaged": run.ema is not None})

    def of_process(self, plan: Plan, run_ids: Collection[str], *, micro_batch: int | None = None) -> int | None:
        """The peak bytes of tensors in a process that trains these runs, validations included; None where a model
        cannot be measured, or the teacher comes trained.
        """
        recipes = [plan.runs[run_id].recipe for run_id in run_ids]
        batch = int(recipes[0]["schedule"]["batch_size"])
        people = min(batch, micro_batch or batch)
        teacher_id = next((plan.runs[run_id].teacher_id for run_id in run_ids if plan.runs[run_id].teacher_id), None)
        teacher = None
        if teacher_id is not None:
            taught_by = plan.runs.get(teacher_id)
            # It is asked in the precision of its students.
            recipe = None if taught_by is None else {**taught_by.recipe, "precision": recipes[0]["precision"]}
            teacher = None if recipe is None else self.memory(recipe, people=people, trains=False)
            if teacher is None:
                return None
        steps = self._all(recipes, people=people, trains=True)
        if steps is None:
            return None
        needed = process_bytes(steps, teacher, batches=-(-batch // people))
        if people >= VALIDATION_CROPS:  # whose passes keep nothing, and take less
            return needed
        passes = self._all(recipes, people=VALIDATION_CROPS, trains=False)
        return None if passes is None else max(needed, process_bytes(passes, batches=2))

    def _all(self, recipes: Collection[Mapping[str, Any]], *, people: int, trains: bool) -> list[Memory] | None:
        found = [self.memory(recipe, people=people, trains=trains) for recipe in recipes]
        known = [memory for memory in found if memory is not None]
        return known if len(known) == len(found) else None

    def _answer(self, recipe: Mapping[str, Any], what: str, ask: Callable[[nn.Module, RunRecipe], Any]) -> Any:
        run = run_recipe_from_json(recipe)
        kind = f"{what}: {_kind(run)}"
        if kind not in self._answers:
            self._say(f"measuring {run.model.model}: {what}")
            with kept_parts(self._parts, self._places, [part.code for part in run.model.own_parts.values()]) as parts:
                model = _built(run, parts)
                self._answers[kind] = None if model is None else ask(model, run)
            self._keep()
        return self._answers[kind]

    def _keep(self) -> None:
        self._answers = _kept(self._file) | self._answers
        if not self._file.parent.is_dir():
            return  # a plan makes no folder
        known = {kind: answer for kind, answer in self._answers.items() if answer is not None}
        with suppress(OSError):  # a plan may be made of runs that belong to others
            write_whole(self._file, json_text({"code": _code(), "answers": known}))


@contextmanager
def kept_parts(kept: Path, places: Mapping[str, Place], codes: Collection[str]) -> Iterator[Path]:
    """The folder of kept copies of users' code, or for a while copies of what stands where the sweep says."""
    if all((kept / code).is_dir() for code in codes):
        yield kept
        return
    with TemporaryDirectory() as folder:
        for code in places.keys() & codes:
            places[code].keep_in(Path(folder) / code)
        yield Path(folder)


def _kept(file: Path) -> dict[str, Any]:
    """The answers that were kept, if they are of models whose code is as it is now."""
    try:
        kept = read_json(file, dict[str, Any])
        return dict(kept["answers"]) if kept is not None and kept["code"] == _code() else {}
    except (ValueError, KeyError, TypeError, OSError):  # damaged: it is asked again
        return {}


@cache
def _code() -> str:
    """A digest of the code that models are made of."""
    digest = hashlib.sha256()
    for file in sorted(Path(models.__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _kind(run: RunRecipe) -> str:
    """What makes two runs' models cost the same."""
    model = {name: value for name, value in to_json(run.model).items() if name != "init" and value is not None}
    outputs = [] if run.losses is None else sorted(run.losses.asks.intersection(STUDENT_ASKS))
    return json.dumps([model, run.input_size, outputs, run.circulation is not None], sort_keys=True)


def _built(run: RunRecipe, parts: Path) -> nn.Module | None:
    """The run's model, if possible without numbers; None, with a warning, where it cannot be built."""
    import torch

    from experiments.build.models import build_run_model

    skeleton = COCO  # only the data tell; a few joints more or less change next to nothing
    try:
        with suppress(Exception), torch.device("meta"):  # a tenth of the time, but not every model can be made so
            return build_run_model(run, skeleton, parts)
        return build_run_model(run, skeleton, parts)
    except Exception as error:  # whatever somebody's model may do
        log.warning("%s: what it costs is unknown: %s: %s", run.model.model, type(error).__name__, error)
        return None
