"""Leeds Sports Pose Extended: joints.mat (14 joints, x y flag, one person a picture) beside images/im00001.jpg."""

from __future__ import annotations

from pathlib import Path

from distilpose.data.importers.gathering import Gathering, refuse
from distilpose.data.importers.mpii import read_mat
from distilpose.data.skeleton import Skeleton


def read_lspet(file: Path, pictures: Path, skeleton: Skeleton) -> Gathering:
    """Everybody; a joint of flag 0 is not labelled, and the box is round the labelled ones. Pixels count from 1."""
    joints = read_mat(file, "joints")
    if getattr(joints, "ndim", 0) != 3 or joints.shape[:2] != (skeleton.num_joints, 3):
        refuse(f"{file}: joints", f"{skeleton.num_joints} x 3 x people are needed", list(getattr(joints, "shape", [])))
    found = Gathering(pictures, skeleton)
    for number in range(joints.shape[2]):
        place = f"{file}: joints(:, :, {number + 1})"
        image_id = found.picture(place, f"im{number + 1:05d}.jpg")
        flat = [v for x, y, flag in joints[:, :, number].tolist() for v in (x - 1, y - 1, 2 if flag > 0 else 0)]
        found.person(place, image_id, flat)
    return found
