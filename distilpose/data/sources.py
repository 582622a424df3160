"""Where a stream has its decoded pictures from: their files each time, or memory; on disk, see `picture_store`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from jaxtyping import UInt8
from numpy import ndarray

from distilpose.data.transforms import read_rgb


class ImageSource(Protocol):
    """Gives decoded pictures by their files. Streams over the same pictures may share one, from several threads."""

    def read(self, path: Path) -> UInt8[ndarray, "rows columns 3"]:
        """The picture as RGB, not to be written to.

        Raises:
            DataError: when it is missing or cannot be decoded.
        """


class PictureFiles:
    """Decodes a picture whenever it is asked for."""

    def read(self, path: Path) -> UInt8[ndarray, "rows columns 3"]:
        """The picture as RGB."""
        return read_rgb(str(path))


class PicturesInMemory:
    """Decodes every picture once and keeps it in this process's memory."""

    def __init__(self) -> None:
        self._kept: dict[Path, UInt8[ndarray, "rows columns 3"]] = {}

    def read(self, path: Path) -> UInt8[ndarray, "rows columns 3"]:
        """The picture as RGB, not to be written to."""
        image = self._kept.get(path)
        if image is None:
            image = self._kept[path] = read_rgb(str(path))
        return image


def image_source(cache: Literal["none", "ram"] | ImageSource) -> ImageSource:
    """The source of that name, or the given one."""
    if cache == "none":
        return PictureFiles()
    if cache == "ram":
        return PicturesInMemory()
    if isinstance(cache, str):
        raise ValueError(f"cache: 'none', 'ram' or an ImageSource, got {cache!r}")
    return cache
