"""Small data sets for these tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_noise import write_people


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A valid data set of 7 people, split train."""
    return write_people(tmp_path / "people")


@pytest.fixture
def edit(people: Path) -> Callable[[Callable[[dict[str, Any]], Any]], None]:
    """Changes the parsed annotation file of `people` in place."""

    def change(by: Callable[[dict[str, Any]], Any]) -> None:
        file = people / "annotations" / "train.json"
        parsed = json.loads(file.read_text())
        by(parsed)
        file.write_text(json.dumps(parsed))

    return change
