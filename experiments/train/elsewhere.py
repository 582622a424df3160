"""What runs are worth on other sets than their own, by the joints that both name."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distilpose.data.coco import PoseData, find_split, pose_data
from distilpose.data.records import read_records, with_joints_of
from distilpose.data.skeleton import Skeleton
from distilpose.data.sources import image_source
from distilpose.evaluation.average_precision import KeypointTruth, truth_of
from distilpose.evaluation.measure import given_to_metrics
from distilpose.evaluation.metrics import metric_of
from distilpose.evaluation.per_picture import per_picture, write_per_picture
from experiments.build.models import build_validation, load_trained
from experiments.runs.atomic import DamagedError
from experiments.runs.run_files import Elsewhere, OnOtherSet
from experiments.runs.store import RunDir, Store

log = logging.getLogger(__name__)


class OtherSets:
    """Sets to measure runs on that were trained on people with the joints of `skeleton`; read when first needed.

    Each is its `root`, `split`, and what is `given` of its joints. Boxes are annotated ones; joints that a set has not
    count as not labelled there, so that AP and PCK are of those that both have, with the sigmas of `skeleton`. `metric`
    is the sweep's, where an evaluation would not have it anyway.
    """

    def __init__(
        self,
        sets: Mapping[str, Mapping[str, Any]],
        skeleton: Skeleton,
        *,
        metric: str | Mapping[str, Any] | None = None,
        workers: int = 0,
        device: torch.device | str = "cpu",
        precision_context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._sets, self._skeleton = sets, skeleton
        self._metrics = [] if metric is None else [metric_of(metric)]
        self._asked = {use.title: use.code for use in self._metrics}
        self._workers, self._device, self._precision = workers, torch.device(device), precision_context
        self._read: dict[str, tuple[PoseData, KeypointTruth, int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What the sets are called in reports."""
        return tuple(self._sets)

    def lacking(self, run: RunDir) -> list[str]:
        """The sets that the run was not measured on yet, or that have changed since. Raises DataError for a bad one."""
        known = _known(run)
        now = {name: self.read(name)[0].fingerprint for name in self._sets}
        return [
            name
            for name in now
            if name not in known or known[name]["fingerprint"] != now[name] or self._asks(known[name])
        ]

    def _asks(self, one: OnOtherSet) -> bool:
        return not self._asked.items() <= one.get("asked", {}).items()

    def measure(self, run: RunDir, *, aside: Path | None = None) -> None:
        """Measure the best weights on each set, and write what they are worth beside what is known already."""
        known, recipe = _known(run), run.recipe()
        parts = Store(run.path.parent).parts
        model = load_trained(recipe, run, skeleton=self._skeleton, parts=parts).to(self._device)
        recipe = replace(recipe, evaluation=replace(recipe.evaluation, boxes="gt"))
        for name in self._sets:
            data, truth, shared = self.read(name)
            validate = build_validation(
                recipe,
                data,
                root=Path(),
                workers=self._workers,
                source=image_source("none"),
                device=self._device,
                precision_context=self._precision,
                truth=truth,
                metrics=self._metrics,
                parts=parts,
            )
            found = validate({name: model})[name]
            given = given_to_metrics(data, keypoints=found.keypoints, results=found.results, truth=truth)
            write_per_picture(run.per_picture(name), per_picture(truth, found.results, given), aside=aside)
            before = known.get(name)
            same = before if before is not None and before["fingerprint"] == data.fingerprint else None
            known[name] = OnOtherSet(
                fingerprint=data.fingerprint,
                people=len(data.people),
                joints=shared,
                metrics=(same["metrics"] if same else {}) | found.metrics,
                asked=(same.get("asked", {}) if same else {}) | self._asked,
            )
        run.elsewhere.write({"sets": known}, aside=aside)

    def read(self, name: str) -> tuple[PoseData, KeypointTruth, int]:
        """A set with our joints, its truth, and how many of the joints it labels.

        Raises:
            DataError: it cannot be read, has nobody, or shares no joint.
        """
        if name not in self._read:
            one = self._sets[name]
            file, pictures = find_split(one["root"], one["split"])
            records = read_records(file, one["given"])
            records.refuse_problems()
            ours = with_joints_of(records, self._skeleton)
            data = pose_data(ours, one["split"], pictures)
            labelled = np.stack([person.keypoints[:, 2] > 0 for person in data.people]).any(0)
            self._read[name] = data, truth_of(ours, self._skeleton.sigmas), int(labelled.sum())
        return self._read[name]


def measure_lacking(runs: Iterable[RunDir], sets: OtherSets) -> int:
    """Measure the finished runs that lack a set; how many did."""
    count = 0
    for run in runs:
        try:
            if run.state() == "finished" and sets.lacking(run):
                sets.measure(run)
                count += 1
        except DamagedError as error:
            log.warning("%s; passed over: remove it", error)
    return count


def _known(run: RunDir) -> dict[str, OnOtherSet]:
    found: Elsewhere | None = run.elsewhere.read()
    return {} if found is None else dict(found["sets"])
