"""A teacher that comes trained, identified by the content of its files."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from experiments.runs.digest import digest
from experiments.sweep.recipe import MMPoseChoice

SHIPPED = "mmpose::"


def given_teacher_id(choice: MMPoseChoice) -> str:
    """The id of the teacher in these files: equal for equal content, wherever they are.

    A configuration counts with those in its `_base_`; those that mmpose ships (`mmpose::...`) count by name. Raises
    ValueError where a file is missing, or the configuration cannot be read.
    """
    shipped = choice.config.startswith(SHIPPED)
    for field, file in (("config", choice.config), ("checkpoint", choice.checkpoint)):
        if not (shipped and field == "config") and not Path(file).is_file():
            raise ValueError(f"teacher.mmpose.{field}: must be a file, got {file!r} and none there")
    sources = [choice.config.encode()] if shipped else _texts(Path(choice.config), set())
    texts = [hashlib.sha256(text).hexdigest() for text in sources]
    with Path(choice.checkpoint).open("rb") as stream:
        weights = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"mmpose-{digest([texts, weights])}"


def _texts(config: Path, seen: set[Path]) -> Iterator[bytes]:
    """The configuration's text, then those of its bases, each once."""
    if config.resolve() in seen:
        return
    seen.add(config.resolve())
    text = config.read_bytes()
    yield text
    for base in _bases(text, config):
        if not base.startswith(SHIPPED):
            file = config.parent / base
            if not file.is_file():
                raise ValueError(f"teacher.mmpose.config: {config} has the base {base!r}, and no such file is there")
            yield from _texts(file, seen)


def _bases(text: bytes, config: Path) -> list[str]:
    """What a configuration names in `_base_`. Nothing in it is run."""
    if config.suffix != ".py":
        return []
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"teacher.mmpose.config: {config} must be a Python configuration: {error}") from error
    if any(isinstance(node, ast.With) for node in body):
        raise ValueError(
            f"teacher.mmpose.config: {config} must name its bases in `_base_`, got a `with read_base()`; write it out "
            "by mmengine's `Config.fromfile(FILE).dump(OUT)`"
        )
    for node in body:
        named = isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets)
        if named and isinstance(node, ast.Assign):
            value = ast.literal_eval(node.value)
            return [value] if isinstance(value, str) else [str(item) for item in value]
    return []
