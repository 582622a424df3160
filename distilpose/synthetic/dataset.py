"""Synthetic people: a COCO-format data set drawn from a seed, so that everything runs without a download."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from distilpose.data.errors import DataError
from distilpose.data.skeleton import coco_category
from distilpose.synthetic.scene import STYLES
from distilpose.synthetic.spec import DRAWING, SyntheticSpec

__all__ = ["SyntheticSpec", "write_synthetic"]

_Records = tuple[dict[str, Any], list[dict[str, Any]]]
Mapper = Callable[[Callable[[int], _Records], range], Iterator[_Records]]

_MARK = "synthetic.json"
_JPEG_QUALITY = 92
_CHUNK = 16  # pictures a process is given at a time


def write_synthetic(
    spec: SyntheticSpec, root: str | Path, *, on_progress: Callable[[int, int], None] | None = None, processes: int = 1
) -> Path:
    """The directory `root`, holding the data set: `annotations/{train,val}.json` and `images/{train,val}/`.

    It appears whole or not at all; a directory that already holds this data set is left as it is. Picture i of a split
    is a function of (seed, split, i): a longer split begins with the shorter one. One person a picture is labelled; the
    others in it are annotated as COCO annotates the people that nobody labelled, with `num_keypoints` 0.

    Args:
        spec: what to draw.
        root: the directory to make.
        on_progress: called with (pictures drawn, pictures in all).
        processes: how many draw at once. More than one are started anew: a script must then guard what it does on being
            run by `if __name__ == "__main__"`.

    Raises:
        DataError: when `root` holds something else.
    """
    root = Path(root)
    if _holds(spec, root):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        done, total = 0, spec.train + spec.val
        with _mapper(processes) as each:
            for split, count, first_id in (("train", spec.train, 1), ("val", spec.val, spec.train + 1)):
                for drawn in _write_split(spec, draft, split, count, first_id, each):
                    if on_progress is not None:
                        on_progress(done + drawn, total)
                done += count
        mark = spec.identity() | {"fingerprint": spec.fingerprint}
        (draft / _MARK).write_text(json.dumps(mark, indent=1) + "\n")
        draft.chmod(0o755)
        try:
            draft.rename(root)
        except OSError:
            # another process was quicker: its data set is the same one
            if not _holds(spec, root):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _holds(spec: SyntheticSpec, root: Path) -> bool:
    """Whether `root` holds the data set; False where there is nothing."""
    if not root.exists() or (root.is_dir() and next(root.iterdir(), None) is None):
        return False
    try:
        found = json.loads((root / _MARK).read_text())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found == spec.fingerprint:
        return True
    what = "other synthetic people" if found else "something else"
    raise DataError(
        f"{root}: must be absent, empty or hold these synthetic people, but holds {what}; name another place"
    )


@contextmanager
def _mapper(processes: int) -> Iterator[Mapper]:
    """`map`, in order, over so many processes."""
    if processes == 1:
        yield map
        return
    # Ctrl-C reaches them too; it is this process that answers it.
    quiet = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=quiet) as pool:
        yield partial(pool.map, chunksize=_CHUNK)


def _write_split(spec: SyntheticSpec, root: Path, split: str, count: int, first_id: int, each: Mapper) -> Iterator[int]:
    """Yields the number of pictures drawn so far, after each; the annotations are written at the end."""
    (root / "images" / split).mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, people in each(partial(_write_picture, spec, root, split, first_id), range(count)):
        images.append(image)
        annotations += people
        yield len(images)
    info = {"description": f"synthetic people, {split}, seed {spec.seed}", "version": str(DRAWING)}
    parsed = {"info": info, "images": images, "annotations": annotations, "categories": [coco_category()]}
    (root / "annotations" / f"{split}.json").write_text(json.dumps(parsed))


def _write_picture(spec: SyntheticSpec, root: Path, split: str, first_id: int, number: int) -> _Records:
    """Draw picture `number` of a split; its record and those of its people."""
    words = [spec.seed, 0 if split == "train" else 1, number]
    scene = STYLES[spec.style](np.random.Generator(np.random.Philox(np.random.SeedSequence(words))), spec.size)
    image_id = first_id + number
    file = root / "images" / split / f"{number + 1:06d}.jpg"
    bgr = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(file), bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
        raise OSError(f"{file}: cannot be written; is the disk full?")
    people = [(scene.bbox, scene.area, scene.keypoints)]
    people += [(box, 0.5 * box[2] * box[3], np.zeros_like(scene.keypoints)) for box in scene.bystanders]
    annotations = [
        {
            # the labelled person has its picture's number; the others have high ones of their own
            "id": image_id + order * 10**7,
            "image_id": image_id,
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": int((keypoints[:, 2] > 0).sum()),
            "bbox": [round(v, 2) for v in box],
            "area": round(area, 2),
            "keypoints": [round(v, 2) if k % 3 < 2 else int(v) for k, v in enumerate(keypoints.ravel().tolist())],
        }
        for order, (box, area, keypoints) in enumerate(people)
    ]
    return {"id": image_id, "file_name": file.name, "width": spec.size[0], "height": spec.size[1]}, annotations
