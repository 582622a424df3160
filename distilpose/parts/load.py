"""A part from its kept copy, as Python's object: from those very files, whatever stands elsewhere under that name."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from typing import Any

from distilpose.parts.own import OwnPart
from distilpose.parts.signature import PartError

_LOCK = threading.Lock()
_LOADED: dict[tuple[Path, str], Any] = {}


def load_own(folder: Path | None, own: OwnPart) -> Any:
    """A user's own function or class from its kept copy, below `folder` in one named by the digest of its code.

    Raises:
        PartError: as `load_part`, or nothing says where copies are.

    """
    if folder is None:
        raise PartError(f"{own.title}: is a user's own, and nothing says where its code is kept")
    return load_part(folder / own.code, own.module, own.name)


def load_part(root: Path, module: str, name: str) -> Any:
    """The function or class `name` of `module`, imported from below `root`.

    Modules of `root` are known to this part alone: another part may have others of the same names. They must import
    each other when they are loaded, not later from inside a function.

    Raises:
        PartError: the copy is gone, the code failed as it was imported, or has no such name.

    """
    with _LOCK:
        found = _LOADED.get((root, module))
        if found is None:
            found = _LOADED[(root, module)] = _import(root, module)
    try:
        return getattr(found, name)
    except AttributeError:
        raise PartError(f"{module}: must define {name!r}") from None


def _import(root: Path, module: str) -> Any:
    """The module, with all that it imports from `root` taken out of Python's table afterwards."""
    if not root.is_dir():
        raise PartError(f"{root}: the kept code of {module} is not there")
    own = {path.stem if path.name != "__init__.py" else path.parent.name for path in root.rglob("*.py")}
    top = {name for name in own if (root / name).is_dir() or (root / f"{name}.py").is_file()}
    hidden = {key: sys.modules.pop(key) for key in list(sys.modules) if key.split(".")[0] in top}
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise PartError(f"{module}: failed as it was imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(root))
        for key in [key for key in sys.modules if key.split(".")[0] in top]:
            del sys.modules[key]
        sys.modules.update(hidden)
