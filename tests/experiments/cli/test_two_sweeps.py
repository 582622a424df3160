"""`distilpose compare` and `report --together` as a user types them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Said

from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture
def two(runs: tuple[Store, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs of two sweeps that share a row, and a copy of the folder; reports have no sections."""
    monkeypatch.setattr("reports.sections.SECTIONS", ())
    store, plan = runs
    store.save_plan(replace(plan.saved(), sweep="other", rows=plan.saved().rows[:1]))
    shutil.copytree(store.root, tmp_path / "copy")
    return store.root


def test_two_sweeps_are_compared_on_one_page(distilpose: Callable[..., Said], two: Path) -> None:
    code, out, err = distilpose("compare", "mini.default", "other.default", "--runs", two)
    assert code == 0, err
    markdown, html = (Path(line) for line in out.split())
    assert "Without counterpart in mini.default: “all”." in markdown.read_text()
    assert html.is_file()


@pytest.mark.parametrize("other", ["copy", "copy/mini.default", "copy/mini"])
def test_two_folders_are_compared(distilpose: Callable[..., Said], two: Path, tmp_path: Path, other: str) -> None:
    code, _, err = distilpose("compare", "mini.default", tmp_path / other, "--runs", two)
    assert code == 0, err
    assert "hold the same runs" in " ".join(err.split())


def test_a_report_of_two_sweeps_is_one(distilpose: Callable[..., Said], two: Path) -> None:
    code, out, err = distilpose("report", "mini.default", "other.default", "--together", "--runs", two)
    assert code == 0, err
    assert Path(out.split()[0]) == two / "reports" / "mini-default-other-default.together" / "report.md"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("compare", "mini", "mini"), "must be two, got 'mini' twice"),
        (("compare", "mini", "nobody"), "nobody"),
        (("compare", "mini", "mini@yesterday"), "after @ must be before, got 'yesterday'"),
        (("compare", "mini", "mini@before"), "has no finished run of its rows by other code"),
        (("compare", "mini", "other", "--metric", "EPE"), "both must have finished runs with EPE"),
        (("report", "mini", "other"), "--together: is for several sweeps"),
        (("report", "mini", "--together"), "--together: is for several sweeps"),
        (("report", "mini", "other", "--together", "--watch"), "is not watched"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    distilpose: Callable[..., Said], two: Path, arguments: tuple[str, ...], rule: str
) -> None:
    code, _, err = distilpose(*arguments, "--runs", two)
    assert code == 2
    assert rule in " ".join(err.split())
    assert "Traceback" not in err
