"""Where a part stands: `FILE.py:NAME` beside the sweep, or `package.module:NAME`."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from distilpose.parts.code import code_digest, code_files
from distilpose.parts.signature import PartError

_REFERENCE = re.compile(r"(?P<where>[^:]+):(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part's file and name; `root` is the folder that its imports start from, `module` its name from there.

    `all_files` are those of a part that is no module, as a configuration: itself, and what it inherits from.
    """

    root: Path
    file: Path
    module: str
    name: str
    all_files: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The part's file, and those beside it that it imports."""
        return self.all_files or code_files(
            self.root, self.file, package=self.module.split(".")[0] if "." in self.module else None
        )

    @property
    def digest(self) -> str:
        """The digest of the part's code."""
        return code_digest(self.files)

    def keep_in(self, folder: Path) -> None:
        """Copy the part's files into a folder named by their digest, whole or not at all; one that is there stays.

        Raises:
            PartError: the code is no longer what it was when the folder was named.

        """
        if folder.is_dir():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            kept = [aside / file.relative_to(self.root) for file in self.files]
            for copy, file in zip(kept, self.files, strict=True):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            if code_digest(kept) != folder.name:
                raise PartError(f"{self.file}: was changed while it was read; start again")
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # or another launch has just kept the same code
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def is_reference(text: str) -> bool:
    """Whether a name of a part means a user's own."""
    return ":" in text


def find_part(reference: str, folder: Path) -> Place:
    """Where a reference leads; a file's path is taken from `folder`, that of the sweep.

    Raises:
        PartError: it is no reference, or leads nowhere.

    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise PartError(f"must be FILE.py:NAME or package.module:NAME, got {reference!r}")
    where, name = match["where"], match["name"]
    if where.endswith(".py"):
        file = (folder / where).resolve()
        if not file.is_file():
            raise PartError(f"must name a file, got {where!r}; looked in {folder}")
        return Place(root=file.parent, file=file, module=file.stem, name=name)
    if not all(step.isidentifier() for step in where.split(".")):
        raise PartError(f"must be FILE.py:NAME or package.module:NAME, got {reference!r}")
    try:
        spec = importlib.util.find_spec(where)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise PartError(f"must name a module that can be imported, got {where!r}; install its package here")
    file = Path(spec.origin).resolve()
    steps = where.split(".")
    root = file.parents[len(steps)] if file.name == "__init__.py" else file.parents[len(steps) - 1]
    return Place(root=root, file=file, module=where, name=name)
