"""What a model found, picture by picture: AP and PCK of any drawn pictures are counted from it."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distilpose.evaluation.average_precision import KeypointTruth, matches
from distilpose.evaluation.metrics import METRICS
from distilpose.evaluation.pck import joints_found
from distilpose.whole_files import write_whole

_PCK = METRICS["PCK"].source


def per_picture(
    truth: KeypointTruth, results: Sequence[Mapping[str, Any]], given: Mapping[str, Any] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays that AP is counted from, detections by falling score, and PCK where `given` has people.

    images: ids of the split's pictures [images].
    image: of each detection, the place of its picture in `images` [detections].
    matched, ignored: whether COCO counts a detection as found, or not at all, for people of all, medium and large area
        (axis 1) at OKS .50:.95 (axis 2) [detections, 3, 10].
    people: how many people of each area there are to find [images, 3].
    names, hits, labelled: the recorded PCKs, and the joints found and labelled for each [images, names].

    `given` is what metrics may ask for (`given_to_metrics`).
    """
    images = np.array(sorted(truth.coco.getImgIds()), dtype=np.int64)
    place = {image: n for n, image in enumerate(images.tolist())}
    people = np.zeros((len(images), 3), dtype=np.int32)
    matched, ignored = [], []
    areas = matches(truth, results)
    for area, pictures in enumerate(areas):
        for picture in pictures:
            people[place[picture["image_id"]], area] = np.sum(np.asarray(picture["gtIgnore"]) == 0)
        matched.append(np.concatenate([np.zeros((0, 10)), *(one["dtMatches"].T for one in pictures)]) > 0)
        ignored.append(np.concatenate([np.zeros((0, 10)), *(one["dtIgnore"].T for one in pictures)]) > 0)
    scores = np.array([score for picture in areas[0] for score in picture["dtScores"]])
    image = np.array([place[one["image_id"]] for one in areas[0] for _ in one["dtScores"]], dtype=np.int32)
    order = np.argsort(-scores, kind="mergesort")
    return {
        "images": images,
        "image": image[order],
        "matched": np.stack(matched, 1)[order],
        "ignored": np.stack(ignored, 1)[order],
        "people": people,
        **_joints(place, given or {}),
    }


def _joints(place: Mapping[int, int], given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    names = [name for name, metric in METRICS.items() if metric.source == _PCK and metric.is_recorded]
    if not given.keys() >= {"keypoints", "image_ids"}:
        names = []
    hits, labelled = np.zeros((2, len(place), len(names)), dtype=np.int32)
    where = [place[image] for image in given["image_ids"].tolist()] if names else []
    asked = {ask: given[ask] for ask in METRICS["PCK"].signature.asks} if names else {}
    for column, name in enumerate(names):
        found, counted = joints_found(**asked, **METRICS[name].options)
        np.add.at(hits[:, column], where, (found & counted).sum(1))
        np.add.at(labelled[:, column], where, counted.sum(1))
    return {"names": np.array(names, dtype=np.str_), "hits": hits, "labelled": labelled}


def write_per_picture(file: Path, arrays: Mapping[str, NDArray[Any]], *, aside: Path | None = None) -> None:
    """Write the arrays whole, as a NumPy archive; what is true or false takes a bit."""
    packed = {name: np.packbits(value) if value.dtype == bool else value for name, value in arrays.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **packed, shape=np.array(arrays["matched"].shape))
    write_whole(file, stream.getvalue(), aside=aside)
