"""What is worked out of a run once its best weights are known: how its errors are spread, and what its model costs."""

import logging
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.evaluation.average_precision import KeypointTruth, read_truth
from distilpose.evaluation.diagnosis import diagnose
from distilpose.models.measure import count_costs
from distilpose.models.speed import measure_speed
from experiments.build.data import data_root
from experiments.build.models import build_run_model
from experiments.runs.atomic import DamagedError, read_json
from experiments.runs.provenance import provenance
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import RunDir, Store
from experiments.sweep.recipe import DataChoice, RunRecipe

log = logging.getLogger(__name__)


class Diagnoser:
    """Says how errors on one validation split are spread; reads its annotations when first asked."""

    def __init__(self, val: PoseData) -> None:
        self.val = val
        self._truth: KeypointTruth | None = None

    def __call__(self, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What `diagnosis.json` says of these predictions."""
        if self._truth is None:
            self._truth = read_truth(self.val.annotation_file, self.val.skeleton.sigmas, given=self.val.given)
        return asdict(diagnose(results, self._truth, self.val.skeleton.names))


def cost_json(model: nn.Module, input_size: tuple[int, int], *, cpu: str | None) -> dict[str, Any]:
    """What `cost.json` says of a model: its size, what one image costs, and how many it does a second where it lies."""
    device = next(model.parameters()).device
    costs = count_costs(model, input_size)
    speed = measure_speed(model, input_size, device=device)
    where = f"{cpu or platform.machine()}, {speed.threads} thread{'s' * (speed.threads != 1)}"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    return {
        "input": list(input_size),
        "parameters": costs.trainable,
        "all_parameters": costs.parameters,
        "gflops": costs.gflops,
        "gmacs_with_attention": costs.gmacs,
        "speed": {"fps": speed.fps, "low": speed.low, "high": speed.high, "passes": speed.passes, "device": where},
    }


def diagnose_finished(store: Store, plan: SavedPlan, *, data: Path | None) -> int:
    """Write what finished runs of a planned sweep did not write themselves; how many runs lacked something.

    Args:
        store: the run directories; synthetic people are below them.
        plan: the saved plan of the sweep.
        data: the folder of the runs' data, where the recipes' is not the one.

    Raises:
        ValueError: the data are others than those a run was measured on, or cannot be read.
    """
    splits: dict[DataChoice, Diagnoser] = {}
    count = 0
    for run in _undiagnosed(store, plan):
        recipe = run.recipe()
        if recipe.data not in splits:
            folder = data_root(recipe.data, root=data, runs=store.root)
            splits[recipe.data] = Diagnoser(load_pose_data(folder, recipe.data.val, recipe.data.given))
        _complete(run, recipe, splits[recipe.data])
        count += 1
    return count


def _complete(run: RunDir, recipe: RunRecipe, diagnoser: Diagnoser) -> None:
    val, result = diagnoser.val, run.result()
    assert result is not None, f"run {run.run_id} is not finished"
    fingerprints = result.provenance.get("data_fingerprint")
    measured_on = fingerprints.get("val") if isinstance(fingerprints, dict) else None
    if measured_on != val.fingerprint:
        raise ValueError(
            f"{val.annotation_file}: must be the annotations that run {run.run_id} was measured on (fingerprint "
            f"{measured_on}), got {val.fingerprint}; give their folder with --data"
        )
    if run.diagnosis.read() is None:
        predictions = read_json(run.predictions, list[dict[str, Any]])
        if predictions is None:
            raise FileNotFoundError(f"{run.predictions}: the run's predictions are gone, and with them its diagnosis")
        run.diagnosis.write(diagnoser(predictions))
    if run.cost.read() is None:
        model = build_run_model(recipe, val.skeleton.num_joints).eval()
        run.cost.write(cost_json(model, recipe.input_size, cpu=provenance()["cpu"]))


def _undiagnosed(store: Store, plan: SavedPlan) -> Iterator[RunDir]:
    """The finished runs of a planned sweep that lack a diagnosis or a cost."""
    for run in map(store.run, plan.run_names):
        try:
            if run.state() == "finished" and (run.diagnosis.read() is None or run.cost.read() is None):
                yield run
        except DamagedError as error:
            log.warning("%s; passed over: remove it", error)
