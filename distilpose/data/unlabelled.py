"""Pictures whose people nobody has labelled, as COCO's test sets are: boxes and poses are a machine's affair."""

from __future__ import annotations

from pathlib import Path

from distilpose.data.coco import ImageRecord, PoseData
from distilpose.data.errors import DataError
from distilpose.data.records import read_images
from distilpose.data.skeleton import COCO


def picture_list(root: str | Path, split: str) -> Path:
    """Where the list of an unlabelled split's pictures is, if it is there."""
    return Path(root) / "annotations" / f"image_info_{split}.json"


def load_pictures(root: str | Path, split: str) -> PoseData:
    """The split's pictures, with COCO's joints and no people.

    They are listed in `annotations/image_info_SPLIT.json`, and lie in `SPLIT/` or `images/SPLIT/`; COCO's test-dev2017
    is a part of test2017.

    Raises:
        DataError: the list or the pictures' folder is not there, or the list cannot be read.
    """
    file = picture_list(root, split)
    if not file.is_file():
        raise DataError(f"{root}: split {split!r}: no list of pictures; looked for annotations/{file.name}")
    folders = [Path(root) / parent / name for name in (split, split.replace("-dev", "")) for parent in ("", "images")]
    folder = next((one for one in folders if one.is_dir()), None)
    if folder is None:
        raise DataError(f"{root}: split {split!r}: no picture directory; looked for {', '.join(map(str, folders))}")
    rows, digest = read_images(file)
    return PoseData(
        split=split,
        annotation_file=file,
        image_dir=folder,
        skeleton=COCO,
        people=(),
        images=tuple(ImageRecord(row.image_id, folder / row.file_name, row.size) for row in rows),
        fingerprint=digest,
        category_id=1,
    )
