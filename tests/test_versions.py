"""The version of every piece of code is raised when its syntax changes."""

import json
from pathlib import Path

import pytest

from distilpose import versions
from distilpose.models.published import MODELS

PINS = Path(__file__).with_name("code_versions.json")


def current() -> dict[str, list[object]]:
    """Every piece's version and the digest of its syntax."""
    return {name: [code.version, versions.source_digest(name)] for name, code in versions.ALL.items()}


@pytest.mark.parametrize("name", versions.ALL)
def test_code_that_changed_has_another_version(name: str) -> None:
    known = json.loads(PINS.read_text())
    assert known.get(name) == current()[name], (
        f"the code of {name} changed: raise its version in distilpose/versions.py (or losses/table.py) where results "
        "can change, then write the new digest by `python tests/test_versions.py`"
    )


def test_every_piece_names_files_that_are_there() -> None:
    for name, code in versions.ALL.items():
        assert all(
            (versions.HERE / pattern).is_file() or list(versions.HERE.glob(pattern)) for pattern in code.files
        ), name


def test_every_model_has_a_version_of_its_backbone() -> None:
    assert {spec.backbone for spec in MODELS.values()} <= versions.BACKBONES.keys()


if __name__ == "__main__":
    PINS.write_text(json.dumps(current(), indent=1) + "\n")
