"""Videos, frame by frame: read, and written whole or not at all."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import cv2
import numpy as np

from distilpose.pictures.palette import Image


class VideoFacts(NamedTuple):
    """What a video says of itself; `frames` is 0 where it does not say."""

    frames: int
    size: tuple[int, int]
    """(width, height) in pixels."""
    fps: float


def video_facts(path: Path) -> VideoFacts:
    """Return what a video says of itself. Raises ValueError where it cannot be opened, or has no first frame."""
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        read, frame = reader.read()
        if not read:
            raise ValueError(f"{path}: is no video that OpenCV can read, or is damaged; convert it, or fetch it again")
        fps = reader.get(cv2.CAP_PROP_FPS)
        count = reader.get(cv2.CAP_PROP_FRAME_COUNT)
        return VideoFacts(
            frames=int(count) if 0 < count < 1e9 else 0,
            size=(frame.shape[1], frame.shape[0]),
            fps=fps if 1 <= fps <= 1000 else 25.0,
        )
    finally:
        reader.release()


def read_frames(path: Path) -> Iterator[Image]:
    """Return the video's frames in turn, RGB."""
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        while True:
            read, frame = reader.read()
            if not read:
                return
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    finally:
        reader.release()


class VideoWriter:
    """An mp4 of RGB frames of one size, beside its place until it is whole. As a context, an error leaves nothing."""

    def __init__(self, path: Path, *, size: tuple[int, int], fps: float) -> None:
        self._path, self._size = path, size
        self._beside = path.with_name(f".{path.stem}.part{path.suffix}")
        # Odd sides cannot be coded by every encoder: such frames are cut by a pixel.
        self._even = (size[0] // 2 * 2, size[1] // 2 * 2)
        self._writer = cv2.VideoWriter(
            str(self._beside), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, self._even
        )
        if not self._writer.isOpened():
            raise ValueError(f"{path}: this build of OpenCV cannot write mp4 videos of {size[0]}x{size[1]}")

    def add(self, image: Image) -> None:
        """Write the next frame. Raises ValueError for one of another size: a video has one."""
        if image.shape[1::-1] != self._size:
            raise ValueError(f"{self._path.name}: frames must all be {self._size}, got one of {image.shape[1::-1]}")
        width, height = self._even
        self._writer.write(cv2.cvtColor(np.ascontiguousarray(image[:height, :width]), cv2.COLOR_RGB2BGR))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.release()
        if kind is None:
            self._beside.replace(self._path)
        else:
            self._beside.unlink(missing_ok=True)
