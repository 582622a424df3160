"""The skeletons of published data sets, and those of users' own files: a person category each, as YAML.

A file says of the joints what an annotation file's category would: see `read_skeleton`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from distilpose.data.errors import DataError
from distilpose.data.skeleton import Skeleton, read_skeleton
from distilpose.parts.naming import nearest

_FOLDER = Path(__file__).with_name("skeletons")
_MOST_BYTES = 1_000_000

SKELETONS = tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))
"""The names of the library's skeletons."""


def find_skeleton(name: str, folder: Path = Path(), sigmas: float | tuple[float, ...] | None = None) -> Skeleton:
    """The library's skeleton of that name, or that of a YAML file, given from `folder`; with other sigmas if wanted.

    Raises:
        DataError: no skeleton has that name, or the file is not a skeleton; the message lists every fault.
    """
    is_file = name.endswith((".yaml", ".yml"))
    if not is_file and name not in SKELETONS:
        raise DataError(f"must be a YAML file or a skeleton of the library, got {name!r}; {nearest(name, SKELETONS)}")
    file = folder / name if is_file else _FOLDER / f"{name}.yaml"
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{file}: must be a file of at most {_MOST_BYTES:,} bytes")
        category = _parsed(file.read_text("utf-8"))
    except (OSError, YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(category, Mapping):
        raise DataError(f"{file}: must be a mapping with keypoints and the fields of a COCO category")
    skeleton, faults = read_skeleton(dict(category) | ({} if sigmas is None else {"keypoint_sigmas": sigmas}))
    if skeleton is None:
        raise DataError(f"{file}: {'; '.join(f'{field}: {rule}' for field, rule in faults)}")
    return skeleton


@cache
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)
