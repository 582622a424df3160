"""`distilpose bench` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said


def test_what_there_is_and_what_it_costs_is_told_without_measuring(distilpose: Callable[..., Said]) -> None:
    code, out, said = distilpose("bench", "cohort", "start-up", "--list", "--rounds", 10)
    assert (code, out) == (0, "")
    assert "start-up" in said
    assert "evaluators" not in said
    assert "2 benchmarks, 10 rounds each: about 34 min on 2 CPU cores" in said


def test_figures_are_told_printed_and_kept(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    code, out, said = distilpose("bench", "evaluators", "--quick", "--rounds", 1, "--out", page, "--json")
    assert code == 0
    (figure,) = json.loads(out)["evaluators"]["figures"]
    assert figure["what"] == "faster-coco-eval, 500 detections"
    assert len(figure["ratios"]) == 1
    assert figure["what"] in " ".join(said.split())
    assert figure["what"] in page.read_text()


def test_an_unknown_benchmark_is_one_error_that_names_the_known(distilpose: Callable[..., Said]) -> None:
    code, _, said = distilpose("bench", "speed")
    assert code == 2
    assert "benchmark: must be one of cohort, step," in said
    assert "got 'speed'" in said


def test_a_page_that_cannot_be_added_to_is_said_before_anything_is_measured(
    distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "performance.json").write_text("{")
    code, _, said = distilpose("bench", "cohort", "--quick", "--out", tmp_path / "performance.md")
    assert code == 2
    assert "performance.json: must be figures kept by" in said
    assert "rows in a cohort" not in said


def test_what_cannot_be_measured_here_does_not_keep_the_others_from_it(
    distilpose: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise ValueError("needs an extra")

    monkeypatch.setattr("benchmarks.cohort.write_synthetic", lacking)
    code, out, said = distilpose("bench", "cohort", "evaluators", "--quick", "--rounds", 1, "--json")
    assert code == 1
    assert "error: cohort: needs an extra" in said
    assert list(json.loads(out)) == ["evaluators"]
