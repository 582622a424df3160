"""Decoded pictures of a split on disk, for all processes that train on it: decoded once, then only read.

A file holds a table and every picture's pixels at a place that follows from the annotations. It is as long as all of
them from the start, but takes room only for what was written (it is sparse). A picture is written when it is first
read, and then its entry in the table: a mark and the checksum of its pixels. So nobody waits for anybody, writers of
the same picture write the same bytes, and what a killed one leaves is no entry, or one whose checksum does not hold.

Whole pictures are kept, not people's surroundings: those that an augmentation of the published strength can show, cut
out one by one, take more room than their pictures (1.2 to 1.4 times, in COCO), merged where they overlap a fifth less,
and would be another set for every strength. And OpenCV rounds otherwise in a part of a picture than in the whole of it.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from distilpose.data.coco import PoseData
from distilpose.data.transforms import read_rgb

log = logging.getLogger(__name__)

RESERVE_BYTES = 2**30
"""Of the disk, for all else that is written to it: a store that would leave less room stops growing."""

_VERSION = 1
_MARK = b"kept"
_ENTRY_BYTES = 8
_WAITING = 8


class StoreSize(NamedTuple):
    """Bytes of a store: what it takes once every person of the split was seen, what it has, what the disk has left."""

    whole: int
    written: int
    free: int

    @property
    def fits(self) -> bool:
        """Whether the rest of it fits on the disk, with `RESERVE_BYTES` to spare."""
        return self.whole - self.written + RESERVE_BYTES <= self.free


def store_size(data: PoseData, folder: Path) -> StoreSize:
    """How large the split's store in `folder` is and will be; nothing is made, and no picture is opened."""
    shown = {person.image: person.image_size for person in data.people}
    whole = sum(_bytes_of(size) for size in shown.values()) + _ENTRY_BYTES * len(data.images)
    try:
        written = store_file(data, folder).stat().st_blocks * 512
    except FileNotFoundError:
        written = 0
    disk = os.statvfs(next(place for place in (folder, *folder.absolute().parents) if place.exists()))
    return StoreSize(whole, min(written, whole), disk.f_bavail * disk.f_frsize)


def store_file(data: PoseData, folder: Path) -> Path:
    """The store of a split: another one for other data, and for another build of OpenCV, which may decode otherwise."""
    said = [_VERSION, data.fingerprint, cv2.getBuildInformation()]
    return folder / f"{data.split}-{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}.pixels"


class PictureStore:
    """An `ImageSource` that keeps what it decodes in a file of `folder`; any number of processes may share it.

    Whatever befalls the file, pictures are right and training goes on: where it cannot be made, or the disk is full,
    one warning says so and pictures are decoded as without it; those that were damaged are decoded and written anew.

    Args:
        data: the split.
        folder: made if need be; best on a local disk. What lies in it may be deleted whenever no process uses it.
    """

    def __init__(self, data: PoseData, folder: Path) -> None:
        self._rows = {image.path: row for row, image in enumerate(data.images)}
        self._sizes = [image.size for image in data.images]
        bytes_of = np.array([_bytes_of(size) for size in self._sizes], np.int64)
        ends = _ENTRY_BYTES * len(data.images) + np.cumsum(bytes_of)
        self._begins: list[int] = (ends - bytes_of).tolist()
        self._sound = [False] * len(data.images)
        self._damage_was_told = self._is_growing = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._waiting = BoundedSemaphore(_WAITING)
        self._file = store_file(data, folder)
        self._handle = -1
        try:
            self._handle, self._bytes = _open(self._file, int(ends[-1]))
            size = store_size(data, folder)
        except OSError as error:
            log.warning("%s: cannot be used (%s); pictures are decoded each time instead", self._file, error)
            return
        self._is_growing = size.fits
        if not size.fits:
            log.warning(
                "%s: lacks %.1f GB, and of %.1f GB free %.1f GB are left alone; that part is decoded each time",
                self._file,
                (size.whole - size.written) / 1e9,
                size.free / 1e9,
                RESERVE_BYTES / 1e9,
            )

    def read(self, path: Path) -> UInt8[ndarray, "rows columns 3"]:
        """The picture as RGB, read-only where it comes from the file."""
        row = self._rows.get(path)
        if row is None or self._handle < 0:
            return read_rgb(str(path))
        if self._sound[row] or self._is_sound(row):
            return self._pixels(row)
        image = read_rgb(str(path))
        # one of another size than its record is the stream's to refuse; where the disk is behind, a later epoch writes
        if image.shape[1::-1] == self._sizes[row] and self._is_growing and self._waiting.acquire(blocking=False):
            self._writer.submit(self._write, row, image)
        return image

    def close(self) -> None:
        """Wait until what was read is written."""
        self._writer.shutdown(wait=True)
        self._is_growing = False
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _pixels(self, row: int) -> UInt8[ndarray, "rows columns 3"]:
        width, height = self._sizes[row]
        begin = self._begins[row]
        return self._bytes[begin : begin + 3 * width * height].reshape(height, width, 3)

    def _is_sound(self, row: int) -> bool:
        """Whether the picture is there, by its checksum: looked at once a process.

        Through the file: to touch the map where nothing can be read, or on a full tmpfs nothing was written, kills.
        """
        begin, length = self._begins[row], _bytes_of(self._sizes[row])
        try:
            entry = os.pread(self._handle, _ENTRY_BYTES, _ENTRY_BYTES * row)
            if entry == bytes(_ENTRY_BYTES):
                return False
            self._sound[row] = entry == _entry(os.pread(self._handle, length, begin))
        except OSError as error:
            log.debug("%s: %s", self._file, error)
        if not self._sound[row] and not self._damage_was_told:
            self._damage_was_told = True
            log.warning("%s: is damaged; its damaged pictures are decoded and written anew", self._file)
        return self._sound[row]

    def _write(self, row: int, image: UInt8[ndarray, "rows columns 3"]) -> None:
        """Write a picture, and then that it is there. Through the file, since a full disk kills who writes by a map."""
        try:
            disk = os.fstatvfs(self._handle)
            if disk.f_bavail * disk.f_frsize < RESERVE_BYTES + image.nbytes:
                raise OSError(f"less than {RESERVE_BYTES / 1e9:.1f} GB of the disk are free")
            _write_all(self._handle, image.data.cast("B"), self._begins[row])
            _write_all(self._handle, memoryview(_entry(image.data)), _ENTRY_BYTES * row)
        except OSError as error:
            if self._is_growing:
                self._is_growing = False
                log.warning("%s: grows no more (%s); what it lacks is decoded each time", self._file, error)
        finally:
            self._waiting.release()


def _open(file: Path, length: int) -> tuple[int, UInt8[ndarray, " bytes"]]:
    """The file, made or mended to its length, and its bytes as they come to be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        found = os.fstat(handle).st_size
        if found != length:
            if found:
                log.warning("%s: has %d bytes, not %d; what it lost is decoded and written anew", file, found, length)
            os.ftruncate(handle, length)
        return handle, np.frombuffer(mmap.mmap(handle, length, prot=mmap.PROT_READ), np.uint8)
    except OSError:
        os.close(handle)
        raise


def _entry(pixels: bytes | memoryview) -> bytes:
    return _MARK + zlib.crc32(pixels).to_bytes(4, "little")


def _bytes_of(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]


def _write_all(handle: int, content: memoryview, begin: int) -> None:
    while content:
        written = os.pwrite(handle, content, begin)
        content, begin = content[written:], begin + written
