"""Pictures made small enough to travel inside a page."""

import base64
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

_QUALITY = 82


class Embedded(NamedTuple):
    """A picture as a data URI with its size in pixels."""

    uri: str
    width: int
    height: int


def embed_picture(path: Path, *, max_width: int = 1200) -> Embedded | None:
    """The picture as WebP, at most `max_width` pixels wide; None where the file is gone or is no picture."""
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    image = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > max_width:
        size = (max_width, max(1, round(height * max_width / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert written, "WebP encodes any 8-bit picture"
    height, width = image.shape[:2]
    return Embedded(f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}", width, height)
