"""Which sets and tools can be imported, where their files lie as published, and what reads each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from distilpose.data.errors import DataError
from distilpose.data.importers.coco import Row, read_coco
from distilpose.data.importers.cvat import read_cvat
from distilpose.data.importers.gathering import Gathering
from distilpose.data.importers.labelstudio import read_labelstudio
from distilpose.data.importers.lspet import read_lspet
from distilpose.data.importers.mpii import HEAD, read_mpii
from distilpose.data.importers.ochuman import read_ochuman
from distilpose.data.importers.yolo import read_yolo
from distilpose.data.skeleton import Skeleton

Read = Callable[[Path, Path, Skeleton], Gathering]


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """What reads one kind of source.

    read: a file (or folder), its folder of pictures, and the skeleton, to the people.
    files: by split, the patterns below the source, of which the first that fits is taken.
    pictures: patterns of folders below the source, of which the first that is there is taken; {split} is the split.
    skeletons: those of the library that fit, the default first; none where only the user knows.
    holds_all: a file may hold every split, and `split` tells `read` which.
    """

    read: Callable[..., Gathering]
    files: dict[str, tuple[str, ...]]
    pictures: tuple[str, ...]
    skeletons: tuple[str, ...] = ()
    holds_all: bool = False

    def reader(self, split: str) -> Read:
        """What reads that split."""
        return partial(self.read, split=split) if self.holds_all else self.read


def _whole_body(row: Row, skeleton: Skeleton) -> object:
    """Body, feet, face and hands in one list; any visibility above 0 is a label's, as for its own evaluation."""
    flat: list[float] = []
    for field in ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"):
        part = row.get(field)
        if not isinstance(part, list) or not all(type(value) in (int, float) for value in part):
            return part if part is not None else "no " + field
        flat += part
    flat[2::3] = [2 if flag >= 2 else int(flag > 0) for flag in flat[2::3]]
    return flat


def _human_art(row: Row, skeleton: Skeleton) -> object:
    return row.get("keypoints" if skeleton.num_joints == 17 else "keypoints_21")


def _head_box(row: Row) -> dict[str, object]:
    """The head size that PoseTrack's box of the head gives."""
    box = row.get("bbox_head")
    if not isinstance(box, list) or len(box) != 4 or not all(type(side) in (int, float) for side in box):
        return {}
    return {"head_size": HEAD * float(np.hypot(*box[2:]))} if any(box[2:]) else {}


def _counted(row: Row) -> dict[str, object]:
    """CrowdPose's own count of joints, neither of head nor neck: its evaluation ignores whoever has 0."""
    return {"num_keypoints": row.get("num_keypoints")}


def _splits(*patterns: str, names: tuple[str, ...] = ("train", "val", "test")) -> dict[str, tuple[str, ...]]:
    return {split: tuple(pattern.replace("SPLIT", split) for pattern in patterns) for split in names}


IMPORTERS = {
    "mpii": Importer(
        read=read_mpii,
        files={
            "train": ("**/mpii_train.json", "**/mpii_human_pose_v1_u12_1.mat"),
            "val": ("**/mpii_val.json",),
        },
        pictures=("images", "."),
        skeletons=("mpii",),
    ),
    "crowdpose": Importer(
        read=partial(read_coco, more=_counted),
        files=_splits(
            "**/crowdpose_SPLIT.json",
            "**/mmpose_crowdpose_SPLIT.json",
            names=("train", "val", "trainval", "test"),
        ),
        pictures=("images", "."),
        skeletons=("crowdpose",),
    ),
    "ochuman": Importer(
        read=read_ochuman,
        files=_splits("**/ochuman_coco_format_SPLIT_range_0.00_1.00.json", "**/ochuman.json", names=("val", "test")),
        holds_all=True,
        pictures=("images", "."),
        skeletons=("ochuman",),
    ),
    "humanart": Importer(
        read=partial(read_coco, joints=_human_art, prefix="HumanArt/images/"),
        files=_splits("**/training_humanart.json", names=("train",))
        | _splits("**/validation_humanart.json", names=("val",)),
        pictures=("images", "HumanArt/images", "."),
        skeletons=("humanart", "humanart21"),
    ),
    "ap10k": Importer(
        read=partial(read_coco, by_category=True),
        files=_splits("**/ap10k-SPLIT-split1.json"),
        pictures=("data", "images", "."),
        skeletons=("ap10k",),
    ),
    "halpe": Importer(
        read=read_coco,
        files=_splits("**/halpe_SPLIT_v1.json", names=("train", "val")),
        pictures=("images/{split}", "hico_20160224_det/images/{split}2015", "{split}2017", "images", "."),
        skeletons=("halpe136", "halpe26"),
    ),
    "wholebody": Importer(
        read=partial(read_coco, joints=_whole_body),
        files=_splits("**/coco_wholebody_SPLIT_v1.0.json", names=("train", "val")),
        pictures=("{split}2017", "images/{split}2017", "images", "."),
        skeletons=("coco_wholebody",),
    ),
    "posetrack18": Importer(
        read=partial(read_coco, more=_head_box),
        files=_splits("annotations/posetrack18_SPLIT.json", "annotations/SPLIT", names=("train", "val")),
        pictures=(".",),
        skeletons=("posetrack18",),
    ),
    "aic": Importer(
        read=read_coco,
        files=_splits("**/aic_SPLIT.json", names=("train", "val")),
        pictures=("ai_challenger_keypoint_{split}*/keypoint_{split}*", "images", "."),
        skeletons=("aic",),
    ),
    "jhmdb": Importer(
        read=read_coco,
        files={"train": ("**/Sub1_train.json",), "val": ("**/Sub1_test.json",)},
        pictures=("Rename_Images", "."),
        skeletons=("jhmdb",),
    ),
    "lspet": Importer(
        read=read_lspet, files={"train": ("joints.mat", "**/joints.mat")}, pictures=("images", "."), skeletons=("lsp",)
    ),
    "cvat": Importer(
        read=read_cvat,
        files={"train": ("annotations.xml", "annotations/person_keypoints_*.json")},
        pictures=("images/default", "images", "."),
    ),
    "labelstudio": Importer(read=read_labelstudio, files={"train": ("*.json",)}, pictures=("images", ".")),
    "yolo": Importer(read=read_yolo, files=_splits("labels/SPLIT"), pictures=("images/{split}",)),
}
"""By the name of the command."""


def find_sources(kind: str, source: Path) -> Iterator[tuple[str, Path, Path]]:
    """Each split that the source holds, with its file and its folder of pictures.

    Raises:
        DataError: there is none; the message names the files looked for.
    """
    importer = IMPORTERS[kind]
    nothing = True
    for split, patterns in importer.files.items():
        file = next((found for pattern in patterns for found in sorted(source.glob(pattern))), None)
        if file is not None:
            nothing = False
            yield split, file, find_pictures(kind, source, split)
    if nothing:
        looked = ", ".join(pattern for patterns in importer.files.values() for pattern in patterns)
        raise DataError(f"{source}: holds no {kind} as published; looked for {looked}")


def find_pictures(kind: str, source: Path, split: str) -> Path:
    """The folder of a split's pictures. Raises DataError where there is none, naming the places looked at."""
    patterns = [pattern.format(split=split) for pattern in IMPORTERS[kind].pictures]
    folders = (one for name in patterns for one in ([source] if name == "." else sorted(source.glob(name))))
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise DataError(f"{source}: has no folder of pictures; looked for {', '.join(patterns)}")
    return found
