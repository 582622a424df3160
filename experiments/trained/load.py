"""From a run of the store or a file of weights to the trained model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
from torch import nn

from distilpose.data.coco import find_split
from distilpose.data.errors import DataError
from distilpose.data.foreign import shown
from distilpose.data.skeleton import COCO, Skeleton
from distilpose.integrations.onnx import OnnxModel
from distilpose.models import MODELS
from distilpose.models.builders import weight_shapes
from distilpose.models.description import Description, description_from_metadata
from distilpose.parts.naming import nearest
from experiments.build.data import data_root
from experiments.runs.store import RunDir, Store, ids_like, run_title
from experiments.sweep.recipe import RunRecipe

SUFFIX = ".safetensors"
_SHOWN_FAULTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A trained model in eval mode on the CPU.

    name: for people: a run's row and seed, or the file's name.
    description: the model's name, its options, its joints.
    input_size: (width, height) of its crops, pixels.
    skeleton: its joints; None where the weights do not say.
    run, recipe: the run and what it trained; None for a bare file.
    """

    name: str
    module: nn.Module
    description: Description
    joints: int
    input_size: tuple[int, int]
    skeleton: Skeleton | None
    file: Path
    run: RunDir | None = None
    recipe: RunRecipe | None = None


def load_weights(reference: str, *, store: Store, model: str | None = None) -> LoadedModel:
    """The trained model that `reference` names.

    Args:
        reference: the id of a finished run in the store (or its beginning, where no other run begins so), or a
            `.safetensors` file, or an `.onnx` file that `distilpose export` wrote.
        store: where runs are looked for.
        model: the published model that a file is of; only for files that do not say so themselves.

    Raises:
        ValueError: there is no such run or file, the run is not finished, or the file is not of this model.
    """
    if Path(reference).suffix == ".onnx":
        return _from_onnx(Path(reference), model)
    if Path(reference).suffix or Path(reference).name != reference:
        return _from_file(Path(reference), model, store)
    if model is not None:
        raise ValueError(f"--model {model}: run {reference} says itself what its model is; leave --model out")
    return _from_run(find_run(reference, store), store)


def find_run(reference: str, store: Store) -> RunDir:
    """The run of this id, or the only one whose id begins like this. Raises ValueError naming the nearest."""
    runs = {run.run_id: run for run in store.runs()}
    alike = ids_like(reference, runs)
    if len(alike) == 1:
        return runs[alike[0]]
    if alike:
        raise ValueError(f"run {reference}: more than one begins so: {', '.join(alike)}; give more of the id")
    raise ValueError(f"run {reference}: there is no such run in {store.root}; {nearest(reference, runs)}")


def run_data(run: RunDir, recipe: RunRecipe, store: Store, data: Path | None = None) -> Path:
    """The folder of a run's data: `data` where given, else that of its last job. Raises DataError where the validation
    split is not there.
    """
    folder = data_root(recipe.data, root=data, runs=store.root)
    if data is None and recipe.data.synthetic is None:
        result = run.result()
        job = None if result is None else result.provenance.get("job")
        folder = folder if job is None else Path(job["data_root"])
    try:
        find_split(folder, recipe.data.val)
    except DataError as error:
        raise DataError(f"{error}; say with --data where the data of run {run.run_id} are") from error
    return folder


def _from_run(run: RunDir, store: Store) -> LoadedModel:
    spec = run.spec()
    file = run.weights
    if (damage := run.damage()) is not None:
        raise ValueError(damage)
    state = run.state()
    if state != "finished" or not file.is_file():
        why = f"it is {state}" if state != "finished" else f"{file} is gone"
        raise ValueError(f"run {run.run_id} ({run_title(spec)}): must be finished and have its weights, {why}")
    with _opened(file) as weights:
        description = description_from_metadata(weights.metadata() or {}, str(file))
        if description is None:
            raise ValueError(f"{file}: does not say which model it is of; restore the file that the run wrote")
        return _loaded(run_title(spec), description, weights, file, store.parts, run=run, recipe=run.recipe())


def _from_file(file: Path, model: str | None, store: Store) -> LoadedModel:
    if file.suffix != SUFFIX:
        raise ValueError(
            f"{file}: weights must be a {SUFFIX} or .onnx file; "
            "`distilpose convert` makes one of the authors' checkpoints"
        )
    with _opened(file) as weights:
        description = description_from_metadata(weights.metadata() or {}, str(file))
        if description is None:
            if model is None:
                known = ", ".join(MODELS)
                raise ValueError(f"{file}: does not say which model it is of; add --model, one of {known}")
            description = Description(model=model, skeleton=COCO)
        elif model not in (None, description.model):
            raise ValueError(f"{file}: says that it is of {description.model}, got --model {model}; leave --model out")
        return _loaded(file.stem, description, weights, file, store.parts)


def _from_onnx(file: Path, model: str | None) -> LoadedModel:
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file of weights")
    module = OnnxModel(file)
    description = description_from_metadata(module.notes, str(file))
    if description is None or model not in (None, description.model):
        said = "nothing" if description is None else description.model
        raise ValueError(f"{file}: must say which model it is of, got {said}; write it with `distilpose export`")
    spec = description.spec()
    if (spec.input_size, spec.joints) != (module.input_size, module.joints):
        raise ValueError(
            f"{file}: its metadata: input_size and joints must be the program's, {module.input_size} and "
            f"{module.joints}, got {spec.input_size} and {spec.joints}; write it with `distilpose export`"
        )
    return LoadedModel(
        name=file.stem,
        module=module.eval(),
        description=description,
        joints=module.joints,
        input_size=module.input_size,
        skeleton=description.skeleton,
        file=file,
    )


def _loaded(
    name: str,
    description: Description,
    weights: Any,
    file: Path,
    parts: Path,
    *,
    run: RunDir | None = None,
    recipe: RunRecipe | None = None,
) -> LoadedModel:
    """The model described, with the weights of an opened file; nothing of its size is made before its shapes agree.

    A user's own model is made from the kept copy of its code, in `parts`.
    """
    spec = description.spec()
    module = description.build(parts) if description.own else None
    found = {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    wanted = (
        weight_shapes(spec) if module is None else {key: tuple(one.shape) for key, one in module.state_dict().items()}
    )
    faults = list(_faults(wanted, found))
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise ValueError(
            f"{file}: are no weights of {description.model}, {len(faults)} of them differ: "
            f"{'; '.join(faults[:_SHOWN_FAULTS])}{more}"
        )
    module = module or description.build()
    module.load_state_dict({key: weights.get_tensor(key) for key in found})
    return LoadedModel(
        name=name,
        module=module.eval(),
        description=description,
        joints=spec.joints,
        input_size=spec.input_size,
        skeleton=description.skeleton,
        file=file,
        run=run,
        recipe=recipe,
    )


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """The safetensors file. Runs nothing in it, and reads tensors only when asked."""
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file of weights")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            yield opened
    except safetensors.SafetensorError as error:
        raise ValueError(f"{file}: is damaged, or no {SUFFIX} file ({error}); fetch it again") from error


def _faults(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            yield f"{key} is missing"
        elif key not in wanted:
            yield f"{shown(key)} is unknown"
        elif wanted[key] != found[key]:
            yield f"{key} is {shown(list(found[key]))}, the model's is {list(wanted[key])}"
