"""MPII Human Pose: its own .mat, or the JSON lists (train, val) that HRNet and mmpose train by, with the head boxes.

Pixels count from 1 there, as in MATLAB, and from 0 here. The crop is the published one: a square of 200 times the
scale about the centre, which lies 15 scales lower than labelled; joints are visible or not labelled in JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from distilpose.data.errors import DataError
from distilpose.data.foreign import is_number, read_json
from distilpose.data.importers.gathering import Gathering, read_list, refuse
from distilpose.data.skeleton import Skeleton

HEAD = 0.6
"""Of the head box's diagonal: the head size by which PCKh measures."""


def read_mpii(file: Path, pictures: Path, skeleton: Skeleton) -> Gathering:
    """The training people of a .mat, or those of a JSON list; of `*_val.json` with `mpii_gt_val.mat` beside it."""
    found = Gathering(pictures, skeleton)
    if file.suffix == ".mat":
        _read_mat(file, found)
    else:
        _read_json(file, found)
    return found


def _read_json(file: Path, found: Gathering) -> None:
    boxes = file.with_name("mpii_gt_val.mat")
    heads = read_mat(boxes, "headboxes_src") if file.stem.endswith("val") and boxes.is_file() else None
    rows = read_json(file)[0]
    if heads is not None and isinstance(rows, list) and heads.shape != (2, 2, len(rows)):
        refuse(f"{boxes}: headboxes_src", f"2 x 2 x {len(rows)} numbers are needed, as people", list(heads.shape))
    ids: dict[object, int] = {}
    for index, (place, row) in enumerate(read_list(file, {"people": rows}, "people")):
        image, points, seen = row.get("image"), row.get("joints"), row.get("joints_vis")
        if image not in ids:
            ids[image] = found.picture(place, image)
        if not isinstance(points, list) or not isinstance(seen, list) or len(points) != len(seen):
            refuse(f"{place}.joints, joints_vis", "two lists of the 16 joints are needed", [points, seen])
        if not all(isinstance(point, list) and len(point) == 2 for point in points):
            refuse(f"{place}.joints", "x and y of each joint are needed", points)
        flat = [value for (x, y), v in zip(points, seen, strict=True) for value in (x, y, 2 if v else 0)]
        head = None if heads is None else heads[:, :, index]
        _person(place, found, ids[image], flat, row.get("center"), row.get("scale"), head)


def _read_mat(file: Path, found: Gathering) -> None:
    release = read_mat(file, "RELEASE")
    try:
        for number, (record, train) in enumerate(zip(_all(release.annolist), _all(release.img_train), strict=True)):
            people = _all(getattr(record, "annorect", None))
            if not train:
                found.dropped["of the test pictures, whose joints are not published"] += len(people)
                continue
            if not people:
                continue
            place = f"{file}: annolist({number + 1})"
            image_id = found.picture(place, record.image.name)
            for who, rect in enumerate(people):
                points = _all(getattr(getattr(rect, "annopoints", None), "point", None))
                flat = [0.0] * 3 * found.skeleton.num_joints
                for point in points:
                    seen = str(getattr(point, "is_visible", "")) == "1"
                    flat[3 * point.id : 3 * point.id + 3] = float(point.x), float(point.y), 2 if seen else 1
                at: Any = getattr(rect, "objpos", None)
                centre = [float(at.x), float(at.y)] if hasattr(at, "x") else None
                scale = float(rect.scale) if np.size(getattr(rect, "scale", [])) == 1 else None
                head = np.array([[rect.x1, rect.y1], [rect.x2, rect.y2]]) if hasattr(rect, "x1") else None
                _person(f"{place}.annorect({who + 1})", found, image_id, flat, centre, scale, head)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file}: RELEASE: must be as MPII publishes it: {error}") from error


def _person(place: str, found: Gathering, image_id: int, flat: list[float], centre: Any, scale: Any, head: Any) -> None:
    if not any(flat[2::3]):
        found.dropped["no labelled joint"] += 1
        return
    if not isinstance(centre, list) or not all(map(is_number, [*centre, scale])) or len(centre) != 2 or scale <= 0:
        found.dropped["no centre or scale, by which it would be cropped"] += 1
        return
    side = 200 * scale
    box = [centre[0] - 1 - side / 2, centre[1] + 15 * scale - 1 - side / 2, side, side]
    shifted = [value - 1 if at % 3 < 2 else value for at, value in enumerate(flat)]
    size: dict[str, Any] = {} if head is None else {"head_size": HEAD * float(np.linalg.norm(head[1] - head[0]))}
    found.person(place, image_id, shifted, box, area=0.53 * side**2, crop_box=box, **size)


def _all(value: Any) -> list[Any]:
    """The structures of a MATLAB array, which is none where it is empty and the one where there is one."""
    return [] if value is None else list(np.atleast_1d(value))


def read_mat(file: Path, variable: str) -> Any:
    """A variable of a MATLAB file, its structures as objects.

    Raises:
        DataError: it cannot be read, or has no such variable.
    """
    try:
        return loadmat(file, squeeze_me=True, struct_as_record=False)[variable]
    except KeyError:
        raise DataError(f"{file}: {variable}: is absent") from None
    except Exception as error:  # whatever SciPy stumbles over in bytes that anybody may have written
        raise DataError(f"{file}: cannot be read as a MATLAB file: {error}") from error
