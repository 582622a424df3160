"""COCO's average precision of keypoints, by pycocotools or an equal of it, with any joints and sigmas."""

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from distilpose.data.coco import PoseData
from distilpose.data.records import AnnotationRow, Given, Records, read_records
from distilpose.evaluation.metrics import AP_METRICS
from distilpose.evaluation.protocol import Evaluator
from distilpose.integrations.faster_coco_eval import faster_stats

AREA_OF_BOX = 0.53  # share of its box a person covers, on average over COCO; stands in for a missing `area`


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypointTruth:
    """The annotations to score against: pycocotools' index of them, and the joints' OKS sigmas."""

    coco: Any
    sigmas: tuple[float, ...]


def read_truth(
    annotation_file: Path,
    sigmas: Sequence[float],
    image_ids: Iterable[int] | None = None,
    given: Given | None = None,
) -> KeypointTruth:
    """Return the truth of a COCO-format file, of the given images or of all; `given` stands in for its joints.

    Annotations are numbered anew from 1, because pycocotools takes a match with annotation 0 for none. Where missing,
    `iscrowd` is 0, `num_keypoints` is counted, and `area` is 0.53 of the box.

    Raises ValueError when a record of the file is malformed, or its people have another number of joints than there are
    sigmas.
    """
    records = read_records(annotation_file, given)
    records.refuse_problems()
    return truth_of(records, sigmas, image_ids)


def truth_of(records: Records, sigmas: Sequence[float], image_ids: Iterable[int] | None = None) -> KeypointTruth:
    """Return the truth that records without problems hold; see `read_truth`."""
    assert records.skeleton is not None
    if records.skeleton.num_joints != len(sigmas):
        raise ValueError(
            f"{records.file}: annotations: keypoints must be of {len(sigmas)} joints, as many as there are sigmas, "
            f"got {records.skeleton.num_joints}"
        )
    wanted = None if image_ids is None else set(image_ids)
    images = [
        {"id": row.image_id, "width": row.size[0], "height": row.size[1]}
        for row in records.images
        if wanted is None or row.image_id in wanted
    ]
    known = {image["id"] for image in images}
    annotations = [
        _complete(row, number, records)
        for number, row in enumerate((row for row in records.annotations if row.image_id in known), 1)
    ]
    category = {"id": records.person_id, "name": "person", "keypoints": list(records.skeleton.names)}
    dataset = {"images": images, "annotations": annotations, "categories": [category]}
    return KeypointTruth(coco=_indexed(dataset), sigmas=tuple(sigmas))


def split_truth(data: PoseData) -> KeypointTruth:
    """Return the truth of a split, read as its people were. Raises ValueError as `read_truth` does."""
    return read_truth(data.annotation_file, data.skeleton.sigmas, given=data.given)


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
        stats = faster_stats(truth.coco.dataset, _of_known_categories(truth, results), truth.sigmas)
    else:
        stats = _pycocotools_stats(truth, results)
    return {name: float(value) for name, value in zip(AP_METRICS, stats, strict=True) if value >= 0}


def mean_precision(
    truth: KeypointTruth, results: Sequence[Mapping[str, Any]], images: Sequence[int] | None = None
) -> float:
    """Return pycocotools' AP over OKS .50:.95 for people of any area, in these images or in all; NaN without people."""
    evaluation = _evaluation(truth, results)
    params = evaluation.params
    params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
    params.imgIds = params.imgIds if images is None else list(images)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    found = evaluation.eval["precision"]
    return float(found[found > -1].mean()) if (found > -1).any() else float("nan")


def changed_truth(
    truth: KeypointTruth,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    categories: Iterable[int] | None = None,
    sigmas: Sequence[float] | None = None,
) -> KeypointTruth:
    """Return the truth with each annotation overlaid by what `change` gives for it, other categories, other sigmas."""
    dataset = {**truth.coco.dataset}
    dataset["annotations"] = [{**row, **change(row)} for row in dataset["annotations"]]
    if categories is not None:
        dataset["categories"] = [{"id": number} for number in categories]
    return KeypointTruth(coco=_indexed(dataset), sigmas=tuple(sigmas or truth.sigmas))


def matches(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return pycocotools' matches of people of all, medium and large area: its record of every picture with any."""
    evaluation = _matched(truth, results)
    found = np.array(evaluation.evalImgs, dtype=object).reshape(3, -1)
    return [[record for record in area if record is not None] for area in found]


def _evaluation(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth.coco, _load_results(truth, results), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(truth.sigmas)
    return evaluation


def _matched(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Any:
    evaluation = _evaluation(truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return evaluation


def _pycocotools_stats(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Sequence[float]:
    """Return the ten numbers in the order of `AP_METRICS`; -1 stands for an undefined one."""
    evaluation = _matched(truth, results)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    stats: Sequence[float] = evaluation.stats
    return stats


def _load_results(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> Any:
    """Return pycocotools' index of the results; its own reader needs at least one and writes into them."""
    if results:
        return truth.coco.loadRes(_of_known_categories(truth, results))
    return _indexed({**truth.coco.dataset, "annotations": []})


def _of_known_categories(truth: KeypointTruth, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copies of the results, all of the truth's category where it has one: animals of every kind are people there."""
    known = truth.coco.getCatIds()
    of_one = {"category_id": known[0]} if len(known) == 1 else {}
    return [{**row, **of_one} for row in results]


def _indexed(dataset: dict[str, Any]) -> Any:
    coco = COCO()
    coco.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _complete(row: AnnotationRow, number: int, records: Records) -> dict[str, Any]:
    """Return an annotation with all that pycocotools reads, under a new number."""
    assert records.skeleton is not None
    width, height = row.bbox[2:]
    return {
        "id": number,
        "image_id": row.image_id,
        "category_id": records.person_id,
        "category": row.category_id,
        "bbox": list(row.bbox),
        "area": AREA_OF_BOX * width * height if row.area is None else row.area,
        "iscrowd": int(row.crowd),
        "num_keypoints": row.labelled if row.num_keypoints is None else row.num_keypoints,
        "keypoints": row.keypoints or [0] * 3 * records.skeleton.num_joints,
    }
