"""Text and JSON files, whole or absent; a file of another content than expected is refused by name."""

from __future__ import annotations

import errno
import json
import os
import stat
from functools import cache
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from distilpose.whole_files import write_whole as write_whole  # for reports, which may not import distilpose

if TYPE_CHECKING:  # it is imported late: the launchers write files too, and help must come at once
    from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")

_OF_THE_FILE = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.EIO, errno.ENXIO)
_SHOWN = 200  # characters of why a file is damaged


class DamagedError(ValueError):
    """A file of the store has another content than expected: it is cut, say, or its JSON has another shape."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why if len(why) <= _SHOWN else f"{why[:_SHOWN]}..."
        super().__init__(f"{path}: damaged: {self.why}")


class ForeignError(DamagedError):
    """A file of the store is whole, and another run's, sweep's or version's."""


def json_text(value: Any) -> str:
    """JSON, indented. Refuses NaN and infinity, which are no JSON."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path, kind: type[Kind]) -> Kind | None:
    """The content of a JSON file as a `kind` (a dataclass, a TypedDict, dict[str, str]); None where there is no file.

    Raises DamagedError, naming the file, for one that is cut, binary, nested too deep or of another shape.
    """
    try:
        with open_plain(path) as file:
            content = file.read()
    except FileNotFoundError:
        return None
    if not content.strip():
        raise DamagedError(path, "is empty")
    from pydantic import ValidationError

    shape: Any = kind
    try:
        found: Kind = adapter(shape).validate_json(content)
    except ValidationError as error:
        raise DamagedError(path, first_fault(error)) from error
    return found


def is_there(path: Path) -> bool:
    """Whether there is a plain file of this name. Raises DamagedError for anything else."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DamagedError(path, f"cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(mode):
        raise DamagedError(path, "is no plain file")
    return True


def open_plain(path: Path) -> FileIO:
    """A file open for reading. Raises FileNotFoundError, or DamagedError for a pipe, device or folder."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error
    except OSError as error:
        if error.errno in _OF_THE_FILE:
            raise DamagedError(path, f"cannot be read ({error.strerror})") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DamagedError(path, "is no plain file")
    return FileIO(handle)


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """What checks values of a type; made once, which takes as long as reading a hundred files."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def first_fault(error: ValidationError) -> str:
    """The first fault, with its place."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else fault["msg"]
