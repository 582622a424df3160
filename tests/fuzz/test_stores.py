"""Stores with one damaged file: every command that reads them works or says what is wrong, whatever the file holds."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import distilpose
from made_up_store import PROVENANCE, journal_lines
from small_sweeps import MINI

from experiments.build.data import data_facts
from experiments.plan.plan import make_plan
from experiments.runs.store import Store
from experiments.sweep.sweep_file import read_sweep


@dataclass(frozen=True)
class Finished:
    """A store, the sweep it holds, and every file that may be damaged with what belongs in it."""

    root: Path
    sweep: Path
    files: dict[Path, bytes] = field(repr=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Four students and their teacher: all but one finished, that one failed."""
    folder = tmp_path_factory.mktemp("store")
    sweep = folder / "mini.yaml"
    sweep.write_text(MINI + "seeds: [0, 1]\n")
    store = Store(folder / "runs")
    plan = make_plan(
        read_sweep(sweep).profile(), lambda data, boxes: data_facts(data, boxes, root=None, runs=store.root)
    )
    store.save_plan(plan.saved())
    for number, (run_id, planned) in enumerate(plan.runs.items()):
        run = store.run(run_id)
        run.write_spec(planned.spec)
        lines = journal_lines(planned.seed, 0.2 + number / 10, epochs=2, pictures=False)
        (run.path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        metrics = {"AP": 0.2 + number / 10, "PCK@0.2": 0.5}
        result = {"metrics": metrics, "last": metrics, "best_epoch": 2, "epochs": 2, "steps": 4, "seconds": 9.0}
        made = {"cohort": "c0ffee", "cohort_size": 4, "parameters": 1000, "provenance": {**PROVENANCE, "device": "cpu"}}
        run.cost.write({"parameters": 1000, "gflops": 0.1, "input": [48, 64]})
        if number < len(plan.runs) - 1:
            run.write_result({**result, **made})
        else:
            run.fail("the loss is not finite", "nan")
    told = {"sweep": "mini", "profile": "default", "data_root": "x", "device": "cpu", "threads": 1}
    store.write_job({"cohort_id": "c0ffee", "run_ids": list(plan.runs), **told})
    files = {file: file.read_bytes() for file in sorted(store.root.rglob("*.json*"))}
    return Finished(root=store.root, sweep=sweep, files=files)


WHOLE = [
    *(
        b"",
        b" ",
        b"{",
        b"null",
        b"true",
        b"5",
        b'"text"',
        b"[]",
        b"{}",
        b"[[]]",
        b"\xff\xfe\x00",
        b"\x00" * 99,
        b"{}\n{}",
    ),
    *(b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b'{"schema": 99}', b"NaN", b"\n\n", b"<html>", b"\xef\xbb\xbf{}"),
]
VALUES = [
    *(None, True, -1, 0, 1e308, 10**400, "", "x" * 3000, "\x1b[2J", "../..", "\ud800", [], {}, [None], {"": {}}),
    *(float("nan"), float("inf"), [[]], {"AP": "x"}, {"event": 1}, "2020-01-01"),
]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _spoilt(draw: Callable[[Any], Any], content: bytes) -> bytes:
    """JSON, or one of JSON's lines, with a value gone, retyped, renamed or added."""
    lines, at = content.splitlines(), None
    try:
        value = json.loads(content)
    except ValueError:
        at = draw(st.integers(0, len(lines) - 1))
        value = json.loads(lines[at])
    places = list(_places(value))
    inside, key = places[draw(st.integers(0, len(places) - 1))]
    what = draw(st.sampled_from(["delete", "retype", "retype", "rename", "wrap"]))
    if what == "delete":
        del inside[key]
    elif what == "rename" and isinstance(inside, dict):
        inside["foreign"] = inside.pop(key)
    elif what == "wrap":
        inside[key] = [inside[key]]
    else:
        inside[key] = draw(st.sampled_from(VALUES))
    written = json.dumps(value).encode()
    return written if at is None else b"\n".join([*lines[:at], written, *lines[at + 1 :], b""])


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What happens to a file: cut, replaced, or spoilt within."""
    what = draw(st.sampled_from(["cut", "whole", "spoil", "spoil"]))
    if what == "cut":
        share = draw(st.floats(0, 1, exclude_max=True))
        return lambda content: content[: int(share * len(content))]
    if what == "whole":
        whole: bytes = draw(st.sampled_from(WHOLE))
        return lambda content: whole
    return lambda content: _spoilt(draw, content)


def _commands(finished: Finished, run_id: str) -> dict[str, tuple[object, ...]]:
    """What reads the store; `run_id` is the run that is shown."""
    runs = ("--runs", finished.root)
    return {
        "plan": ("plan", finished.sweep, *runs),
        "status": ("status", "mini", "--profile", "default", *runs),
        "status of all": ("status", *runs),
        "status as JSON": ("status", "mini", "--profile", "default", "--json", *runs),
        "gc": ("gc", *runs),
        "show": ("show", run_id, *runs),
        "report": (
            "report",
            "mini",
            "--profile",
            "default",
            "--no-pictures",
            "--out",
            finished.root.parent / "out",
            *runs,
        ),
    }


def test_the_store_is_sound_before_it_is_damaged(finished: Finished) -> None:
    run_id = next(path.parent.name for path in finished.files if path.name == "run.json")
    for name, command in _commands(finished, run_id).items():
        code, said = distilpose(*command)
        assert code == 0, f"{name}: {said}"


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_damaged_file_is_lived_with_or_told(finished: Finished, data: st.DataObject) -> None:
    _damage_and_run(finished, data, ["plan", "status", "status of all", "status as JSON", "gc", "show"])


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_report_of_a_damaged_store_is_written_or_refused(finished: Finished, data: st.DataObject) -> None:
    _damage_and_run(finished, data, ["report"])


def _damage_and_run(finished: Finished, data: st.DataObject, names: list[str]) -> None:
    file = data.draw(st.sampled_from([str(path.relative_to(finished.root)) for path in finished.files]))
    path = finished.root / file
    command = _commands(finished, path.parent.name if path.with_name("run.json") in finished.files else "none")[
        data.draw(st.sampled_from(names))
    ]
    path.write_bytes(data.draw(damages())(finished.files[path]))
    try:
        code, said = distilpose(*command)
    finally:
        path.write_bytes(finished.files[path])
    assert code in (0, 1, 2), said
    assert code != 0 or "\nerror: " not in f"\n{said}", said
