"""What is known of a run once its best weights are: how its errors are spread, and what its model costs."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from distilpose.data.coco import PoseData
from distilpose.evaluation.average_precision import KeypointTruth, split_truth
from distilpose.evaluation.diagnosis import diagnose
from distilpose.evaluation.per_picture import per_picture
from distilpose.models.measure import count_costs
from distilpose.models.speed import measure_speed
from experiments.runs.store import RunDir
from experiments.train.measure import kept_for_metrics


class Diagnoser:
    """Says how errors on one validation split are spread; reads its annotations when first asked."""

    def __init__(self, val: PoseData) -> None:
        self.val = val
        self._truth: KeypointTruth | None = None

    def __call__(self, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What `diagnosis.json` says of these predictions."""
        return asdict(diagnose(results, self.truth, self.val.skeleton.names))

    @property
    def truth(self) -> KeypointTruth:
        """The annotations."""
        if self._truth is None:
            self._truth = split_truth(self.val)
        return self._truth

    def by_picture(self, run: RunDir) -> dict[str, NDArray[Any]]:
        """What the kept predictions of a run found, picture by picture; joints only in the annotated boxes."""
        given = kept_for_metrics(run, self.val, self.truth, aligned=run.recipe().evaluation.boxes == "gt")
        return per_picture(self.truth, given["results"], given)


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
