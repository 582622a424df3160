"""Our metrics of the published sets equal mmpose 1.3.2's on the same predictions. As a program: prints the table."""

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.library import find_skeleton
from distilpose.data.skeleton import category_of
from distilpose.evaluation.average_precision import split_truth
from distilpose.evaluation.measure import given_to_metrics, measure
from distilpose.evaluation.metrics import metric_of
from distilpose.integrations.mmpose_stand_ins import stand_ins

PEOPLE, EACH = 90, 3  # people, and on a picture
PARTS = {"body": 17, "foot": 6, "face": 68, "lefthand": 21, "righthand": 21}


class Pair(NamedTuple):
    """A metric on one kind of data: ours and mmpose's."""

    data: str
    metric: str
    ours: float
    mmpose: float


class Predicted(NamedTuple):
    """A split, its file as its publishers write it, and predictions [people, joints, x y score] with person scores."""

    data: PoseData
    file: Path
    keypoints: NDArray[np.float32]
    scores: NDArray[np.float64]

    def ours(self, *names: str | dict[str, Any]) -> dict[str, float]:
        """Our metrics, recorded ones and those named."""
        results = [
            {
                **self._row(number),
                "category_id": person.category_id,
                "keypoints": self.keypoints[number].ravel().tolist(),
            }
            for number, person in enumerate(self.data.people)
        ]
        given = given_to_metrics(self.data, keypoints=self.keypoints, results=results, truth=split_truth(self.data))
        return measure(given, [metric_of(name) for name in names])

    def _row(self, number: int) -> dict[str, Any]:
        return {"image_id": self.data.people[number].image_id, "score": float(self.scores[number])}

    def theirs(self, metric: Any, shift: float = 0.0) -> dict[str, float]:
        """What a metric of mmpose gives; `shift` is added to the annotated joints, of sets that count pixels from 1."""
        metric.dataset_meta = {
            "sigmas": np.array(self.data.skeleton.sigmas),
            "num_keypoints": self.data.skeleton.num_joints,
            "dataset_name": "ours",
        }
        for number, person in enumerate(self.data.people):
            x, y, w, h = person.bbox
            truth = person.keypoints[None].astype(np.float64)
            gt = {
                "keypoints": truth[..., :2] + shift,
                "keypoints_visible": truth[..., 2] > 0,
                "bboxes": np.array([[x, y, x + w, y + h]]),
                "head_size": np.array([[person.head_size]]),
                "bbox_scores": self.scores[number : number + 1],
            }
            found = self.keypoints[number : number + 1].astype(np.float64)
            predicted = {"keypoints": found[..., :2], "keypoint_scores": found[..., 2]}
            sample = {
                "id": person.annotation_id,
                "img_id": person.image_id,
                "category_id": person.category_id,
                "gt_instances": gt,
                "pred_instances": predicted,
            }
            metric.process([{}], [sample])
        with contextlib.redirect_stdout(io.StringIO()):
            found_values: dict[str, float] = metric.evaluate(len(self.data.people))
        return {name.rpartition("/")[2]: float(value) for name, value in found_values.items()}


def predicted(folder: Path, skeleton: str, *, area: bool = True, kinds: int = 1, hidden: float = 0.2) -> Predicted:
    """People of a skeleton of the library on pictures of any crowding, and predictions that are more or less off."""
    rng = np.random.default_rng(0)
    joints = find_skeleton(skeleton)
    category = category_of(joints)
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480, "crowdIndex": round(rng.random(), 2)}
        for n in range(1, PEOPLE // EACH + 1)
    ]
    annotations = []
    for number in range(1, PEOPLE + 1):
        x, y, side = (rng.integers(40, 200), rng.integers(20, 100), rng.integers(60, 250))
        points = np.round(rng.random((joints.num_joints, 2)) * side + (x, y), 2)
        flags = np.where(rng.random((joints.num_joints, 1)) < hidden, 0, 2)
        flat = np.hstack([points * (flags > 0), flags]).ravel().tolist()
        row = {
            "id": number,
            "image_id": 1 + number % len(images),
            "category_id": 1 + number % kinds,
            "iscrowd": 0,
            "bbox": [int(x), int(y), int(side), int(side)],
            "num_keypoints": int((flags > 0).sum()),
            "keypoints": flat,
            "head_size": float(side) / 8,
        }
        annotations.append({**row, **({"area": float(side) ** 2 / 2} if area else {})})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{**category, "id": n, "name": f"kind {n}"} for n in range(1, kinds + 1)],
    }
    (folder / skeleton / "annotations").mkdir(parents=True)
    (folder / skeleton / "images" / "val").mkdir(parents=True)
    (folder / skeleton / "annotations" / "val.json").write_text(json.dumps(content))
    data = load_pose_data(folder / skeleton, "val")
    if skeleton == "coco_wholebody":
        ends = 3 * np.cumsum(list(PARTS.values()))
        for row in annotations:
            whole = row["keypoints"]
            for part, start, stop in zip(PARTS, [0, *ends], ends, strict=False):
                row["keypoints" if part == "body" else f"{part}_kpts"] = whole[start:stop]
    file = folder / f"{skeleton}.json"
    file.write_text(json.dumps(content))
    keypoints = np.stack([person.keypoints for person in data.people])
    off = rng.gamma(1.0, 0.03, (len(keypoints), 1, 1)) * np.array([p.bbox[2] for p in data.people])[:, None, None]
    keypoints[..., :2] += off * rng.standard_normal(keypoints[..., :2].shape)
    keypoints[..., 2] = rng.uniform(0.3, 1, keypoints.shape[:2])
    return Predicted(data, file, keypoints, rng.uniform(0.1, 1, len(keypoints)))


def compared(folder: Path) -> Iterator[Pair]:
    """Every metric of a published set, ours beside mmpose's."""
    with stand_ins():
        from mmpose.evaluation import metrics as mmpose
        from xtcocotools import cocoeval

    mpii = predicted(folder, "mpii")
    ours = mpii.ours("AUC", "EPE", {"name": "PCK", "mean": "joints"})
    theirs = mpii.theirs(mmpose.MpiiPCKAccuracy(), shift=1.0)
    yield Pair("MPII", "PCKh@0.5", ours["PCKh@0.5"], theirs["PCK"] / 100)
    yield Pair("MPII", "PCKh@0.1", ours["PCKh@0.1"], theirs["PCK@0.1"] / 100)
    for part in ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        yield Pair("MPII", f"PCKh@0.5.{part}", ours[f"PCKh@0.5.{part}"], theirs[f"{part.capitalize()} PCK"] / 100)
    boxes = mpii.theirs(mmpose.PCKAccuracy(thr=0.2))
    yield Pair("MPII", "PCK(mean=joints)", ours["PCK(mean=joints)"], boxes["PCK"])
    yield Pair("MPII", "AUC", ours["AUC"], mpii.theirs(mmpose.AUC())["AUC"])
    yield Pair("MPII", "EPE", ours["EPE"], mpii.theirs(mmpose.EPE())["EPE"])

    jhmdb = predicted(folder, "jhmdb", hidden=0)
    torso = jhmdb.theirs(mmpose.JhmdbPCKAccuracy(thr=0.2, norm_item="torso"))
    yield Pair("JHMDB", "PCK@0.2-torso", jhmdb.ours()["PCK@0.2-torso"], torso["tPCK"])

    as_given = {"score_mode": "bbox", "nms_mode": "none"}
    crowd = predicted(folder, "crowdpose", area=False)
    ours = crowd.ours()
    cocoeval.round = lambda value, digits: value  # it prints four digits of these three
    how = {"iou_type": "keypoints_crowd", "use_area": False}
    theirs = crowd.theirs(mmpose.CocoMetric(ann_file=str(crowd.file), **how, **as_given))
    del cocoeval.round
    for name, other in (("AP", "AP"), ("AP50", "AP .5"), ("AP75", "AP .75"), ("AR", "AR")):
        yield Pair("CrowdPose, no area", name, ours[name], theirs[other])
    for level, letter in (("easy", "E"), ("medium", "M"), ("hard", "H")):
        yield Pair("CrowdPose, no area", f"AP-{level}", ours[f"AP-{level}"], theirs[f"AP({letter})"])

    animals = predicted(folder, "ap10k", kinds=4)
    theirs = animals.theirs(mmpose.CocoMetric(ann_file=str(animals.file), **as_given))
    yield Pair("AP-10K", "AP-categories", animals.ours()["AP-categories"], theirs["AP"])

    whole = predicted(folder, "coco_wholebody")
    stats: list[float] = []

    class Told(cocoeval.COCOeval):  # type: ignore[misc]
        def summarize(self) -> None:
            super().summarize()
            stats.append(self.stats[0])

    module = mmpose.coco_wholebody_metric
    before, module.COCOeval = module.COCOeval, Told
    whole.theirs(mmpose.CocoWholeBodyMetric(ann_file=str(whole.file), **as_given))
    module.COCOeval = before
    ours = whole.ours("AP-parts")
    for part, value in zip((".body", ".foot", ".face", ".left_hand", ".right_hand", ""), stats, strict=True):
        yield Pair("WholeBody", f"AP-parts{part}", ours[f"AP-parts{part}"], value)


@pytest.mark.filterwarnings("ignore")
def test_our_metrics_are_mmposes(tmp_path: Path) -> None:
    if find_spec("mmpose") is None:
        pytest.skip("needs the extra mmpose")
    pairs = list(compared(tmp_path))
    assert len(pairs) == 27
    assert [pair for pair in pairs if abs(pair.ours - pair.mmpose) > 1e-6 * max(1, pair.mmpose)] == []
    assert [pair for pair in pairs if not 0.02 < pair.ours < 0.98 and pair.metric != "EPE"] == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        found = list(compared(Path(made)))
    print("| data | metric | ours | mmpose 1.3.2 | difference |\n| --- | --- | --- | --- | --- |")
    for pair in found:
        data, metric, ours, theirs = pair
        print(f"| {data} | `{metric}` | {ours:.7f} | {theirs:.7f} | {abs(ours - theirs):.0e} |")
