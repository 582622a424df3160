"""What is wrong with a picture file: missing, cut short, undecodable, or of another size than its annotation says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np


class Defect(NamedTuple):
    """A fault of one picture file."""

    kind: str
    message: str


def picture_defect(path: Path, size: tuple[int, int] | None, *, decode: bool = True) -> Defect | None:
    """The first fault of the file, or None.

    Args:
        path: the picture.
        size: (width, height) that it must have; None where nothing is known.
        decode: read the whole file; otherwise only look whether it is there and not empty.
    """
    try:
        length = path.stat().st_size if path.is_file() else -1
    except OSError:
        length = -1
    if length < 0:
        return Defect("missing_image", "is not there; put it back, or take its image and annotations out")
    if length == 0:
        return Defect("truncated_image", "is empty; fetch it again, or take its image and annotations out")
    if not decode:
        return None
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Defect("unreadable_image", f"cannot be read: {error.strerror}; check its permissions")
    if _cut_short(raw):
        return Defect("truncated_image", "ends before its picture does; fetch it again, or take it out")
    try:
        # orientation is applied, as it is in training
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        return Defect("unreadable_image", "is no picture that OpenCV can decode; convert it, or take it out")
    found = (image.shape[1], image.shape[0])
    if size is not None and found != size:
        turned = " (its EXIF orientation turns it)" if found == size[::-1] and found[0] != found[1] else ""
        return Defect(
            "image_size", f"is {found[0]}x{found[1]}{turned}, its record says {size[0]}x{size[1]}; correct it"
        )
    return None


def _cut_short(raw: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end. Decoders fill what is missing with grey, and say nothing."""
    if raw.startswith(b"\x89PNG"):
        return b"IEND" not in raw[-1024:]
    if not raw.startswith(b"\xff\xd8"):
        return False
    # over the header's segments, which may hold a thumbnail with an end marker of its own, to the start of the scan
    at = 2
    while at + 4 <= len(raw):
        if raw[at] != 0xFF:
            return False
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xDA:
            # in the scan 0xFF is followed by 0 or a restart marker, so this can only be the end
            return raw.find(b"\xff\xd9", at) < 0
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return True
