"""Which synthetic people, as numbers: enough to tell one data set from another before it is drawn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Style = Literal["everyday", "studio"]
DRAWING = 1
"""Raised whenever the same seed draws other pictures: results on the old ones are not results on the new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSpec:
    """Which synthetic people: pictures in each split, the seed, and the pictures' (width, height) in pixels.

    Those of the `studio` are easy: upright, facing the camera, every limb in a colour of its own, nothing around.
    """

    train: int = 1200
    val: int = 300
    seed: int = 0
    size: tuple[int, int] = (144, 176)
    style: Style = "everyday"

    def __post_init__(self) -> None:
        for field in ("train", "val"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: at least 1 picture, got {getattr(self, field)}")
        if self.seed < 0:
            raise ValueError(f"seed: at least 0, got {self.seed}")
        if min(self.size) < 64:
            raise ValueError(f"size: (width, height) of at least 64 pixels each, got {self.size}")

    @property
    def fingerprint(self) -> str:
        """sha256 of everything that decides the pictures, known before they are drawn."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """Everything that decides the pictures, as JSON values."""
        settings = asdict(self)
        if self.style == "everyday":
            del settings["style"]
        return {"kind": "synthetic people", "drawing": DRAWING, **settings}
