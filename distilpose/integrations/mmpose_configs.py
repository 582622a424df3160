"""mmpose's configurations as files: where one stands, what it inherits from, which head it has. Runs none of it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from distilpose.models.spec import MMPOSE
from distilpose.parts.reference import Place
from distilpose.parts.signature import PartError, Signature, syntax_tree

SHIPPED = "mmpose::"
HOW_TO_GET_IT = (
    "mmpose: is not installed, and this needs it; get it with `uv sync --extra mmpose` (Python 3.11; pip alone cannot "
    "build chumpy, which mmpose asks for and this does not need)"
)
HEADS = {
    "HeatmapHead": ("heatmaps", "learn"),
    "ViPNASHead": ("heatmaps", "learn"),
    "RegressionHead": ("keypoints", "learn"),
    "RLEHead": ("keypoints", "learn"),
    "SimCCHead": ("learn",),
    "RTMCCHead": ("learn",),
}
"""The heads whose models can be trained here, and what their output gives to losses; `learn` is their own loss."""


class MMPoseMissingError(ValueError):
    """The extra is not installed."""


class MMPoseConfigError(PartError):
    """This configuration cannot be used here."""


def check_installed() -> None:
    """Raise MMPoseMissingError, saying how to get it, where mmpose is not installed; import nothing."""
    if any(find_spec(name) is None for name in ("mmpose", "mmengine", "mmcv", "xtcocotools")):
        raise MMPoseMissingError(HOW_TO_GET_IT)


def config_file(config: Path | str) -> Path:
    """Return the file of a configuration; one that mmpose ships is named `mmpose::body_2d_keypoint/...`.

    Raises:
        MMPoseMissingError: mmpose is not installed, and it is one that mmpose ships.
        MMPoseConfigError: mmpose ships none of this name.

    """
    package, shipped, name = str(config).partition("::")
    if not shipped:
        return Path(config)
    check_installed()
    places = getattr(find_spec("mmpose"), "submodule_search_locations", None) or ()
    for place in places:
        folder = Path(place).resolve() / ".mim" / "configs"
        file = (folder / name).resolve()
        if package == "mmpose" and file.is_relative_to(folder) and file.is_file():
            return file
    raise MMPoseConfigError(f"mmpose ships no such configuration, got {str(config)!r}")


def config_files(config: Path) -> tuple[Path, ...]:
    """Return the configuration and those that it names in `_base_`, at any depth, each once; not what mmpose ships.

    Raises:
        MMPoseConfigError: it cannot be read as a configuration, or a base is not there.

    """
    return tuple(dict.fromkeys(_with_bases(config, set())))


def _with_bases(config: Path, seen: set[Path]) -> Iterator[Path]:
    if config.resolve() in seen:
        return
    seen.add(config.resolve())
    yield config
    for base in _bases(config):
        if not base.startswith(SHIPPED):
            file = config.parent / base
            if not file.is_file():
                raise MMPoseConfigError(f"{config} has the base {base!r}, and no such file is there")
            yield from _with_bases(file, seen)


def _bases(config: Path) -> list[str]:
    if config.suffix != ".py":
        return []
    body = syntax_tree(config).body
    if any(isinstance(node, ast.With) for node in body):
        raise MMPoseConfigError(
            f"{config} must name its bases in `_base_`, got a `with read_base()`; write it out by mmengine's "
            "`Config.fromfile(FILE).dump(OUT)`"
        )
    for node in body:
        named = isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets)
        if named and isinstance(node, ast.Assign):
            value = ast.literal_eval(node.value)
            return [value] if isinstance(value, str) else [str(item) for item in value]
    return []


def read_config(reference: str, folder: Path) -> tuple[Place, Signature]:
    """Where the configuration of `mmpose:FILE.py` (from `folder`) or `mmpose::NAME` stands, and what its model gives.

    Raises:
        MMPoseMissingError: mmpose is not installed.
        MMPoseConfigError: there is no such configuration, or it has a head that cannot be trained here.

    """
    check_installed()
    shipped = reference.startswith(SHIPPED)
    file = config_file(reference) if shipped else (folder / reference.removeprefix(MMPOSE)).resolve()
    if not file.is_file() or file.suffix != ".py":
        raise MMPoseConfigError(f"must name a Python configuration, got {reference!r}; looked in {folder}")
    files = tuple(one.resolve() for one in config_files(file))
    root = Path(os.path.commonpath([one.parent for one in files]))
    heads = [head for one in files if (head := _head(one)) is not None]
    if not heads or heads[0] not in HEADS:
        got = heads[0] if heads else "none written out as `model = dict(..., head=dict(type=...))`"
        raise MMPoseConfigError(f"{file.name}: must have one of the heads {', '.join(HEADS)}, got {got}")
    name = file.relative_to(root).as_posix()
    signature = Signature(
        name=name, file=file, line=1, doc="", asks=(), options=(), is_module=True, gives=HEADS[heads[0]]
    )
    return Place(root=root, file=file, module="mmpose", name=name, all_files=files), signature


def _head(config: Path) -> str | None:
    """The type of the head of the model that a configuration writes, if it does."""
    for node in syntax_tree(config).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "model" for t in node.targets):
            kind = _entry(_entry(node.value, "head"), "type")
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                return kind.value.removeprefix("mmpose.")
    return None


def _entry(mapping: ast.expr | None, name: str) -> ast.expr | None:
    """An entry of `dict(name=...)` or `{"name": ...}`."""
    if isinstance(mapping, ast.Call):
        return next((keyword.value for keyword in mapping.keywords if keyword.arg == name), None)
    if isinstance(mapping, ast.Dict):
        pairs = zip(mapping.keys, mapping.values, strict=True)
        return next((value for key, value in pairs if isinstance(key, ast.Constant) and key.value == name), None)
    return None
