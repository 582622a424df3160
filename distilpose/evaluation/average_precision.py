"""COCO's average precision of keypoints, by pycocotools or an equal of it, with any joints and sigmas."""

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from distilpose.data.coco import person_category, read_annotations
from distilpose.evaluation.protocol import Evaluator
from distilpose.integrations.faster_coco_eval import faster_stats

AP_METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
AREA_OF_BOX = 0.53  # share of its box a person covers, on average over COCO; stands in for a missing `area`


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypointTruth:
    """The annotations to score against: pycocotools' index of them, and the joints' OKS sigmas."""

    coco: Any
    sigmas: tuple[float, ...]


def read_truth(annotation_file: Path, sigmas: Sequence[float], image_ids: Iterable[int] | None = None) -> KeypointTruth:
    """Return the truth of a COCO-format file, of the given images or of all.

    Annotations are numbered anew from 1, because pycocotools takes a match with annotation 0 for none. Where missing,
    `iscrowd` is 0, `num_keypoints` is counted, and `area` is 0.53 of the box.

    Raises ValueError when the file has not one category with keypoints, or an annotation another number of joints than
    there are sigmas.
    """
    content = read_annotations(annotation_file)
    category = person_category(content, str(annotation_file))
    wanted = None if image_ids is None else set(image_ids)
    images = [image for image in content["images"] if wanted is None or image["id"] in wanted]
    known = {image["id"] for image in images}
    annotations = [
        _complete(annotation, number, len(sigmas), annotation_file)
        for number, annotation in enumerate(
            (a for a in content["annotations"] if a["image_id"] in known and a["category_id"] == category["id"]), 1
        )
    ]
    coco = COCO()
    coco.dataset = {"images": images, "annotations": annotations, "categories": [category]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return KeypointTruth(coco=coco, sigmas=tuple(sigmas))


def average_precision(
    truth: KeypointTruth, results: Sequence[Mapping[str, Any]], *, evaluator: Evaluator = "pycocotools"
) -> dict[str, float]:
    """Return AP and AR over OKS .50:.95, at .5 and .75, and for medium and large people, each in [0, 1].

    `results` are rows of COCO's results format: image_id, category_id, keypoints (x, y, score, ...) in image pixels,
    score. A metric that the truth leaves undefined (no medium people, say) is absent; no results at all is 0.
    `evaluator` says who counts; both give the same numbers.

    Raises ValueError when a row names an image that the truth lacks, or the evaluator is not installed.
    """
    unknown = {row["image_id"] for row in results} - set(truth.coco.getImgIds())
    if unknown:
        raise ValueError(f"results: image_id must be one of the annotation file's, got {sorted(unknown)[:5]}")
    if evaluator == "faster":
        stats = faster_stats(truth.coco.dataset, results, truth.sigmas)
    else:
        stats = _pycocotools_stats(truth, results)
    return {name: float(value) for name, value in zip(AP_METRICS, stats, strict=True) if value >= 0}


def _pycocotools_stats(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Sequence[float]:
    """Return the ten numbers in the order of `AP_METRICS`; -1 stands for an undefined one."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth.coco, _load_results(truth, results), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.asarray(truth.sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats: Sequence[float] = evaluation.stats
    return stats


def _load_results(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Any:
    """Return pycocotools' index of the results; its own reader needs at least one and writes into them."""
    if results:
        return truth.coco.loadRes([dict(row) for row in results])
    nothing = COCO()
    nothing.dataset = {**truth.coco.dataset, "annotations": []}
    nothing.createIndex()
    return nothing


def _complete(annotation: dict[str, Any], number: int, joints: int, file: Path) -> dict[str, Any]:
    """Return a copy of an annotation with all that pycocotools reads, under a new number."""
    keypoints = annotation.get("keypoints", [0] * 3 * joints)
    if len(keypoints) != 3 * joints:
        raise ValueError(
            f"{file}: annotations: id {annotation.get('id')}: keypoints must hold 3 x {joints} numbers, "
            f"got {len(keypoints)}"
        )
    _, _, width, height = annotation["bbox"]
    counted = {"iscrowd": 0, "num_keypoints": sum(v > 0 for v in keypoints[2::3]), "area": AREA_OF_BOX * width * height}
    return {**counted, **annotation, "keypoints": keypoints, "id": number}
