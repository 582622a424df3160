"""Results as files: COCO's JSON, and the archive that its server takes."""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distilpose.whole_files import write_whole

_WHEN = (1980, 1, 1, 0, 0, 0)  # the same results make the same bytes


def submission_name(split: str, method: str) -> str:
    """Return what COCO calls the results of `method` on `split`: `person_keypoints_SPLIT_METHOD_results`."""
    return f"person_keypoints_{split}_{re.sub('[^A-Za-z0-9]+', '-', method).strip('-')}_results"


def results_json(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a results file."""
    return json.dumps(list(results), separators=(",", ":"))


def write_submission(results: Sequence[Mapping[str, Any]], folder: Path, *, split: str, method: str) -> Path:
    """Write the archive with the one file that COCO's server wants in it, whole or not at all; return where it is."""
    name = submission_name(split, method)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{name}.json", _WHEN)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, results_json(results))
    file = folder / f"{name}.zip"
    write_whole(file, packed.getvalue())
    return file
