"""Small sources in the documented format of each set and tool: our own drawings, joints at random."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from distilpose.data.library import find_skeleton

SIZE = (80, 96)
PEOPLE = 6
Rows = list[dict[str, Any]]


def joints(count: int, rng: np.random.Generator) -> np.ndarray:
    """x, y, visibility of each joint, inside the picture."""
    return np.column_stack([rng.integers(12, 68, count), rng.integers(15, 80, count), np.full(count, 2)])


def pictures(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(1)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.GaussianBlur(noise, (0, 0), 3))


def coco_form(names: list[str], count: int, **more: Any) -> dict[str, Rows]:
    """The three lists of COCO's format: a person a picture, the ends of the box inside."""
    rng = np.random.default_rng(2)
    images = [{"id": n, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for n, name in enumerate(names, 1)]
    annotations = [
        {
            "id": 10 * n,
            "image_id": n,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [8.5, 10.0, 64.0, 76.0],
            "num_keypoints": count,
            "keypoints": joints(count, rng).ravel().tolist(),
            **more,
        }
        for n in range(1, len(names) + 1)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def _names(split: str) -> list[str]:
    return [f"{split}{number:05d}.jpg" for number in range(PEOPLE)]


def crowdpose(root: Path) -> None:
    for split in ("train", "val", "trainval", "test"):
        form = coco_form(_names(split), 14)
        form["categories"] = [{"id": 1, "name": "person", "keypoints": ["x"] * 14, "skeleton": [[16, 14]]}]
        for image in form["images"]:
            image["crowdIndex"] = 0.33
        write(root / "json" / f"crowdpose_{split}.json", form)
        pictures(root / "images", _names(split))


def ochuman(root: Path) -> None:
    for split in ("val", "test"):
        write(root / f"ochuman_coco_format_{split}_range_0.00_1.00.json", coco_form(_names(split), 17, area=900))
        pictures(root / "images", _names(split))


def ochuman_own(root: Path) -> None:
    """Its own ochuman.json: 19 joints with four visibilities, and people without joints or without a mask."""
    flat = [v for at in range(19) for v in (20 + at, 30 + at, (0, 1, 2, 3)[at] if at < 4 else 1)]
    whole = {"bbox": [8, 10, 72, 86], "keypoints": flat, "segms": {"outer": [[1, 1]]}, "max_iou": 0.6}
    bare = {**whole, "segms": None}
    people = {2: [whole], 7: [bare], 5: [whole, bare, {**whole, "keypoints": None}], 9: [whole]}
    images = [
        {"image_id": n, "file_name": f"{n:06d}.jpg", "width": SIZE[0], "height": SIZE[1], "annotations": found}
        for n, found in people.items()
    ]
    names = [*find_skeleton("ochuman").names, "head", "neck"]
    write(root / "ochuman.json", {"keypoint_names": names, "images": images})
    pictures(root / "images", [row["file_name"] for row in images])


def humanart(root: Path) -> None:
    for split, stem in (("train", "training"), ("val", "validation")):
        names = [f"3D/garage_kits/{name}" for name in _names(split)]
        form = coco_form([f"HumanArt/images/{name}" for name in names], 17)
        for row in form["annotations"]:
            row["keypoints_21"] = row["keypoints"] + [30, 40, 2] * 4
        write(root / "annotations" / f"{stem}_humanart.json", form)
        pictures(root / "images", names)


def ap10k(root: Path) -> None:
    for split in ("train", "val"):
        form = coco_form(_names(split), 17, area=900)
        joint_names = list(find_skeleton("ap10k").names)
        form["categories"] = [{"id": n, "name": f"animal {n}", "keypoints": joint_names} for n in range(1, 55)]
        for number, row in enumerate(form["annotations"]):
            row["category_id"] = 1 + number % 3
        write(root / "annotations" / f"ap10k-{split}-split1.json", form)
        pictures(root / "data", _names(split))


def halpe(root: Path) -> None:
    for split in ("train", "val"):
        form = coco_form(_names(split), 136, area=900)
        form["categories"] = [{"id": 1, "name": "person", "keypoints": [], "skeleton": []}]
        write(root / f"halpe_{split}_v1.json", form)
        pictures(root / "images" / split, _names(split))


def wholebody(root: Path) -> None:
    for split in ("train", "val"):
        form = coco_form(_names(split), 133, area=900)
        for row in form["annotations"]:
            flat = row["keypoints"]
            row["keypoints"] = flat[:51]
            for field, start, stop in (
                ("foot", 17, 23),
                ("face", 23, 91),
                ("lefthand", 91, 112),
                ("righthand", 112, 133),
            ):
                row[f"{field}_kpts"] = [float(value) for value in flat[3 * start : 3 * stop]]
            row["righthand_kpts"][2] = 0.04
        write(root / "annotations" / f"coco_wholebody_{split}_v1.0.json", form)
        pictures(root / f"{split}2017", _names(split))


def posetrack18(root: Path) -> None:
    for split in ("train", "val"):
        for video in (1, 2):
            names = [f"images/{split}/{video:06d}_mpii/{number:06d}.jpg" for number in range(3)]
            form = coco_form(names, 17, bbox_head=[30, 20, 9, 12])
            for row in form["images"]:
                row["id"] += 1000 * video
            for row in form["annotations"]:
                row["image_id"] += 1000 * video
                row["id"] += 1000 * video
            write(root / "annotations" / split / f"{video:06d}_mpii.json", form)
            pictures(root, names)


def aic(root: Path) -> None:
    for split in ("train", "val"):
        write(root / "annotations" / f"aic_{split}.json", coco_form(_names(split), 14))
        pictures(root / "images", _names(split))


def jhmdb(root: Path) -> None:
    for split, stem in (("train", "train"), ("val", "test")):
        write(root / "annotations" / f"Sub1_{stem}.json", coco_form(_names(split), 15))
        pictures(root / "Rename_Images", _names(split))


def mpii(root: Path) -> None:
    rng = np.random.default_rng(3)
    for split, first in (("train", 15601864), ("val", 5808361)):
        names = [f"{first + number:09d}.jpg" for number in range(PEOPLE)]
        rows = [
            {
                "image": name,
                "center": [41.0, 44.0],
                "scale": 0.4,
                "joints": joints(16, rng)[:, :2].astype(float).tolist(),
                "joints_vis": [0, *[1] * 15],
            }
            for name in names
        ]
        write(root / "annotations" / f"mpii_{split}.json", rows)
        pictures(root / "images", names)
    heads = np.array([[[10.0, 12.0], [19.0, 24.0]]] * PEOPLE).transpose(1, 2, 0)
    savemat(root / "annotations" / "mpii_gt_val.mat", {"headboxes_src": heads})


def mpii_mat(root: Path) -> None:
    """The published .mat: two training pictures, one of two people, and a test picture, whose joints are absent."""

    def person(seen: object) -> dict[str, Any]:
        points = [{"x": 20.0 + n, "y": 30.0 + n, "id": n, "is_visible": seen} for n in (0, 5, 15)]
        head = {"x1": 10.0, "y1": 12.0, "x2": 19.0, "y2": 24.0}
        return {**head, "annopoints": {"point": points}, "scale": 0.4, "objpos": {"x": 41.0, "y": 44.0}}

    names = ["train00000.jpg", "train00001.jpg", "test00000.jpg"]
    hidden = {"scale": 0.5, "objpos": {"x": 30.0, "y": 30.0}}
    lost = {"scale": [], "objpos": [], "annopoints": {"point": [{"x": 1.0, "y": 1.0, "id": 3, "is_visible": "0"}]}}
    people = [[person("1"), person([])], [person(0), lost], [hidden, hidden]]
    annolist = np.array([({"name": n}, np.array(p, object)) for n, p in zip(names, people, strict=True)], object)
    records = np.zeros(3, [("image", object), ("annorect", object)])
    for at, (image, rects) in enumerate(annolist):
        records[at] = image, rects
    release = {"annolist": records, "img_train": np.array([1, 1, 0])}
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    pictures(root / "images", names)


def lspet(root: Path) -> None:
    rng = np.random.default_rng(4)
    everybody = np.stack([joints(14, rng).astype(float) for _ in range(PEOPLE)], -1)
    everybody[:, 2] = 1
    everybody[13, :, 0] = -5, -5, 0
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "joints.mat", {"joints": everybody})
    pictures(root / "images", [f"im{number:05d}.jpg" for number in range(1, PEOPLE + 1)])


def cvat(root: Path) -> None:
    rng = np.random.default_rng(5)
    lines = ["<annotations>", "<version>1.1</version>"]
    for number, name in enumerate(_names("frame")):
        lines.append(f'<image id="{number}" name="{name}" width="{SIZE[0]}" height="{SIZE[1]}">')
        lines.append('<skeleton label="person" source="manual" z_order="0">')
        for label, (x, y, _) in zip(find_skeleton("lsp").names, joints(14, rng), strict=True):
            outside = int(label == "neck")
            lines.append(f'<points label="{label}" outside="{outside}" occluded="1" points="{x}.00,{y}.00"></points>')
        lines += ["</skeleton>", "</image>"]
    root.mkdir(parents=True, exist_ok=True)
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]))
    pictures(root / "images", _names("frame"))


def cvat_coco(root: Path) -> None:
    """CVAT's other export: joints in an order of its own, no sigmas."""
    form = coco_form(_names("frame"), 14)
    form["categories"] = [{"id": 1, "name": "person", "keypoints": list(reversed(find_skeleton("lsp").names))}]
    write(root / "annotations" / "person_keypoints_default.json", form)
    pictures(root / "images" / "default", _names("frame"))


def labelstudio(root: Path) -> None:
    rng = np.random.default_rng(6)
    sides = {"original_width": SIZE[0], "original_height": SIZE[1]}
    tasks = []
    for number, name in enumerate(_names("task")):
        result: Rows = [
            {**sides, "id": "box", "type": "rectanglelabels", "value": {"x": 10, "y": 10, "width": 80, "height": 80}}
        ]
        for label, (x, y, _) in zip(find_skeleton("lsp").names, joints(14, rng), strict=True):
            value = {"x": x * 100 / SIZE[0], "y": y * 100 / SIZE[1], "width": 0.5, "keypointlabels": [label]}
            result.append({**sides, "id": f"k{label}", "parentID": "box", "type": "keypointlabels", "value": value})
        image = {"image": f"/data/upload/1/ab12cd34-{name}"}
        tasks.append({"id": number, "data": image, "annotations": [{"id": 1, "result": result}]})
    write(root / "project.json", json.loads(json.dumps(tasks, default=float)))
    pictures(root / "images", _names("task"))


def yolo(root: Path) -> None:
    rng = np.random.default_rng(7)
    for split in ("train", "val"):
        pictures(root / "images" / split, _names(split))
        for name in _names(split):
            flat = [v for x, y, seen in joints(14, rng) for v in (x / SIZE[0], y / SIZE[1], seen)]
            file = root / "labels" / split / f"{Path(name).stem}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(" ".join(map(str, [0, 0.5, 0.5, 0.8, 0.8, *flat])) + "\n")


SOURCES: dict[str, Callable[[Path], None]] = {
    "mpii": mpii, "crowdpose": crowdpose, "ochuman": ochuman, "humanart": humanart, "ap10k": ap10k, "halpe": halpe,
    "wholebody": wholebody, "posetrack18": posetrack18, "aic": aic, "jhmdb": jhmdb, "lspet": lspet, "cvat": cvat,
    "labelstudio": labelstudio, "yolo": yolo,
}  # fmt: skip
NAMELESS = ("cvat", "labelstudio", "yolo")
