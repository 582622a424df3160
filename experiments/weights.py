"""From what a user names - a run of the store, or a file of weights - to the trained model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
from torch import Tensor, nn

from distilpose.data.coco import find_split, person_category, read_annotations
from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO, Skeleton, skeleton_from_category
from distilpose.integrations.onnx import OnnxModel
from distilpose.models import MODELS
from distilpose.models.description import Description, description_from_metadata
from distilpose.models.specs import find_spec
from experiments.build import WEIGHTS, describe_run, run_options
from experiments.datasets import data_root
from experiments.recipe import RunRecipe
from experiments.store import RunDir, Store, run_title
from experiments.typed import nearest

SUFFIX = ".safetensors"
_SHOWN_FAULTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A trained model in eval mode on the CPU, and what is known of it.

    name: how people call it: a run's row and seed, or the file's name.
    description: the model's name, its options, its joints.
    input_size: (width, height) of the crops it takes, pixels.
    skeleton: what its joints are; None where neither the weights nor the run's data say.
    run, recipe: the run of the store and what it trained; None for a bare file.
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


def load_weights(reference: str, *, store: Store, model: str | None = None, data: Path | None = None) -> LoadedModel:
    """The trained model that `reference` names.

    Args:
        reference: the id of a finished run in the store (or its beginning, where no other run begins so), or a
            `.safetensors` file, or an `.onnx` file that `distilpose export` wrote.
        store: where runs are looked for.
        model: the model a file is of; only for files that do not say so themselves.
        data: folder of the run's data, instead of where it was trained; only asked for joints of runs whose weights do
            not name them.

    Raises:
        ValueError: there is no such run or file, the run is not finished, or the file is not of this model.
    """
    if Path(reference).suffix == ".onnx":
        return _from_onnx(Path(reference), model)
    if Path(reference).suffix or Path(reference).name != reference:
        return _from_file(Path(reference), model)
    if model is not None:
        raise ValueError(f"--model {model}: run {reference} says itself what its model is; leave --model out")
    return _from_run(find_run(reference, store), store, data)


def find_run(reference: str, store: Store) -> RunDir:
    """The run of this id, or of the one id that begins so. Raises ValueError naming the nearest."""
    runs = {run.run_id: run for run in store.runs()}
    begun = [run_id for run_id in runs if run_id.startswith(reference)] if len(reference) >= 4 else []
    if reference in runs:
        return runs[reference]
    if len(begun) == 1:
        return runs[begun[0]]
    if begun:
        raise ValueError(f"run {reference}: more than one begins so: {', '.join(begun)}; give more of the id")
    raise ValueError(f"run {reference}: there is no such run in {store.root}; {nearest(reference, runs)}")


def run_data(run: RunDir, recipe: RunRecipe, store: Store, data: Path | None = None) -> Path:
    """The folder of the data a run was trained on: `data` where given, else the one its last job was told of.

    Raises:
        DataError: the validation split is not there.
    """
    folder = data_root(recipe.data, root=data, runs=store.root)
    if data is None and recipe.data.synthetic is None:
        result = run.result()
        job = None if result is None or result.cohort is None else store.last_job(result.cohort)
        folder = Path(job["data_root"]) if job is not None and "data_root" in job else folder
    try:
        find_split(folder, recipe.data.val)
    except DataError as error:
        raise DataError(f"{error}; say with --data where the data of run {run.run_id} are") from error
    return folder


def _from_run(run: RunDir, store: Store, data: Path | None) -> LoadedModel:
    spec = run.spec()
    recipe = run.recipe()
    file = run.checkpoints / WEIGHTS
    if (damage := run.damage()) is not None:
        raise ValueError(damage)
    state = run.state()
    if state != "finished" or not file.is_file():
        why = f"it is {state}" if state != "finished" else f"{file} is gone"
        raise ValueError(f"run {run.run_id} ({run_title(spec)}): must be finished and have its weights, {why}")
    tensors, said = _read(file)
    description = description_from_metadata(said, str(file))
    if description is None:  # written before weights said what they are of
        skeleton = _skeleton_of(run, recipe, store, data)
        joints = _joints(recipe.model.model, tensors) if skeleton is None else skeleton.num_joints
        description = (
            Description(model=recipe.model.model, options=run_options(recipe, joints))
            if skeleton is None
            else describe_run(recipe, skeleton)
        )
    return _loaded(run_title(spec), description, tensors, file, run=run, recipe=recipe)


def _from_file(file: Path, model: str | None) -> LoadedModel:
    if file.suffix != SUFFIX:
        raise ValueError(
            f"{file}: weights must be a {SUFFIX} or .onnx file; "
            "`distilpose convert` makes one of the authors' checkpoints"
        )
    state, said = _read(file)
    description = description_from_metadata(said, str(file))
    if description is None:
        if model is None:
            raise ValueError(f"{file}: does not say which model it is of; add --model, one of {', '.join(MODELS)}")
        joints = _joints(model, state)
        options = {"joints": joints, **_outputs(state)}
        description = Description(model=model, options=options, skeleton=COCO if joints == COCO.num_joints else None)
    elif model not in (None, description.model):
        raise ValueError(f"{file}: says that it is of {description.model}, got --model {model}; leave --model out")
    return _loaded(file.stem, description, state, file)


def _from_onnx(file: Path, model: str | None) -> LoadedModel:
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file of weights")
    module = OnnxModel(file)
    description = description_from_metadata(module.notes, str(file))
    if description is None or model not in (None, description.model):
        said = "nothing" if description is None else description.model
        raise ValueError(f"{file}: must say which model it is of, got {said}; write it with `distilpose export`")
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
    state: Mapping[str, Tensor],
    file: Path,
    *,
    run: RunDir | None = None,
    recipe: RunRecipe | None = None,
) -> LoadedModel:
    module = description.build()
    faults = list(_faults({key: value.shape for key, value in module.state_dict().items()}, state))
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise ValueError(
            f"{file}: are no weights of {description.model}, {len(faults)} of them differ: "
            f"{'; '.join(faults[:_SHOWN_FAULTS])}{more}"
        )
    module.load_state_dict(state)
    spec = find_spec(description.model)
    return LoadedModel(
        name=name,
        module=module.eval(),
        description=description,
        joints=description.options.get("joints", spec.joints),
        input_size=description.options.get("input_size", spec.input_size),
        skeleton=description.skeleton,
        file=file,
        run=run,
        recipe=recipe,
    )


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file and its metadata. Nothing in it is run."""
    if not file.is_file():
        raise ValueError(f"{file}: there is no such file of weights")
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{file}: is damaged, or no {SUFFIX} file ({error}); fetch it again") from error


def _faults(wanted: Mapping[str, Iterable[int]], state: Mapping[str, Tensor]) -> Iterable[str]:
    for key in sorted(wanted.keys() | state.keys()):
        if key not in state:
            yield f"{key} is missing"
        elif key not in wanted:
            yield f"{key} is unknown"
        elif tuple(wanted[key]) != tuple(state[key].shape):
            yield f"{key} is {tuple(state[key].shape)}, the model's is {tuple(wanted[key])}"


def _skeleton_of(run: RunDir, recipe: RunRecipe, store: Store, data: Path | None) -> Skeleton | None:
    """The joints of the run's data, where these are still to be found."""
    try:
        file, _ = find_split(run_data(run, recipe, store, data), recipe.data.val)
    except DataError:
        if data is not None:
            raise
        return None
    return skeleton_from_category(person_category(read_annotations(file), str(file)), str(file))


def _joints(model: str, state: Mapping[str, Tensor]) -> int:
    """How many joints weights are of, by the shapes of what there is once a joint; else the published number."""
    for key, axis in (("encoder.keypoint_token", 1), ("final.weight", 0)):
        if key in state and state[key].ndim > axis:
            return state[key].shape[axis]
    return find_spec(model).joints


def _outputs(state: Mapping[str, Tensor]) -> dict[str, bool]:
    """Which outputs a student's head has, by the rows of its last map: x, y, then a score, and two sigmas."""
    rows = state["head.linear.weight"].shape[0] if "head.linear.weight" in state else 0
    return {"score": rows in (3, 5), "sigma": rows in (4, 5)} if rows else {}
