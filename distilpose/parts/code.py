"""The code of a part: its file and the files beside it that it imports, and a digest of their syntax."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

from distilpose.parts.signature import syntax_tree


def code_digest(files: Iterable[Path]) -> str:
    """Twelve hexadecimal digits of the files' syntax: comments, docstrings, layout and names of files do not count."""
    dumps = [ast.dump(_without_docstrings(syntax_tree(file))) for file in files]
    return hashlib.sha256("\n".join(dumps).encode()).hexdigest()[:12]


def code_files(root: Path, file: Path, *, package: str | None = None) -> tuple[Path, ...]:
    """A file below `root` and all below `root` that it imports, at any depth: the file first, the others by name.

    With a `package`, only files of that package count.
    """
    found: dict[Path, None] = {}
    queue = [file, *_parents(root, file)]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found[path] = None
        for module in _imported(syntax_tree(path), path.relative_to(root)):
            if package is None or module.split(".")[0] == package:
                queue.extend(_files_of(root, module))
    return (file, *sorted(found.keys() - {file}))


def _parents(root: Path, file: Path) -> list[Path]:
    """The `__init__.py` of every package around a file."""
    inits = []
    folder = file.parent
    while folder not in (root, folder.parent):
        if (folder / "__init__.py").is_file():
            inits.append(folder / "__init__.py")
        folder = folder.parent
    return inits


def _files_of(root: Path, module: str) -> list[Path]:
    """The files that importing `module` from `root` runs, if it is there."""
    files = []
    steps = module.split(".")
    for count in range(1, len(steps) + 1):
        base = root.joinpath(*steps[:count])
        if (base / "__init__.py").is_file():
            files.append(base / "__init__.py")
        elif base.with_suffix(".py").is_file():
            return [*files, base.with_suffix(".py")]
    return files


def _imported(tree: ast.Module, at: Path) -> Iterable[str]:
    """The names of all modules that a file at this path below the root may import."""
    package = at.parts[:-1]
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            around = package[: len(package) - item.level + 1] if item.level else ()
            base = ".".join([*around, *([item.module] if item.module else [])])
            if base:
                yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in item.names)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for item in ast.walk(tree):
        if isinstance(item, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = [line for line in item.body if not _is_string(line)]
            item.body = body or [ast.Pass()]
    return tree


def _is_string(line: ast.stmt) -> bool:
    """Whether a statement is a string by itself: a docstring, or what documents an attribute."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
