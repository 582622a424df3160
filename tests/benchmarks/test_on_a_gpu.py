"""What the script for a short lease of a card does with its time, and what it sends home."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import on_a_gpu
from benchmarks.on_a_gpu import Call, Part, send_home, set_up, work


@pytest.fixture
def call(tmp_path: Path) -> Call:
    made = Call(kit=tmp_path / "kit", out=tmp_path / "out", work=tmp_path / "work", deadline=0, small=True)
    made.deadline = time.monotonic() + 200
    set_up(made)
    return made


def done(call: Call) -> dict[str, Any]:
    return json.loads((call.out / "results.json").read_text())


def test_it_starts_with_nothing_but_the_standard_library() -> None:
    command = [sys.executable, "-I", "-S", on_a_gpu.__file__, "--help"]
    assert "--pack" in subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout


def test_parts_are_done_once_in_turn_as_time_allows_and_one_that_fails_is_tried_again(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began: list[str] = []

    def part(name: str, needs: float = 1, again: bool = False, fails: bool = False) -> Part:
        def do(_: Call) -> dict[str, Any]:
            began.append(name)
            assert not fails, "broken"
            return {"cost": {}, "cohorts": {}}

        return Part(do=do, needs=needs, again=again)

    parts = {
        "plan": part("plan"),
        "bad": part("bad", fails=True),
        "long": part("long", needs=500),
        "on": part("on", again=True),
    }
    monkeypatch.setattr(on_a_gpu, "PARTS", parts)
    work(call, [*parts])
    assert began == ["plan", "bad", "on"]
    assert "long: skipped" in capsys.readouterr().out
    assert {name: entry["ok"] for name, entry in done(call).items()} == {"plan": True, "bad": False, "on": True}
    assert "broken" in done(call)["bad"]["error"]
    work(call, [*parts])
    assert began == ["plan", "bad", "on", "bad", "on"]
    assert "## bad: FAILED" in (call.out / "summary.md").read_text()


def some_runs(runs: Path) -> None:
    """A finished teacher and student, and a student on its way, each of 3 kB of weights."""
    for name, role, finished in (("t", "teacher", True), ("s", "student", True), ("u", "student", False)):
        run = runs / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "pictures").mkdir()
        (run / "run.json").write_text(json.dumps({"role": role, "row": name}))
        (run / "checkpoints" / "weights.safetensors").write_bytes(bytes(3000))
        (run / "pictures" / "one.png").write_bytes(bytes(3000))
        (run / "lease").write_text("held")
        if finished:
            (run / "result.json").write_text("{}")


def sent(call: Call) -> list[str]:
    """The names of what goes home, however it is cut."""
    pieces = [file.read_bytes() for file in sorted(call.out.glob("store-*.part"))]
    assert all(len(piece) <= on_a_gpu.HOME for piece in pieces)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        return archive.getnames()


def test_what_goes_home_is_what_another_lease_needs_most(call: Call) -> None:
    some_runs(call.work / "runs")
    send_home(call)
    names = sent(call)
    assert names[0] == "runs/t/checkpoints/weights.safetensors"
    assert {"runs/t/result.json", "runs/s/run.json", "runs/s/pictures/one.png"} <= {*names}
    assert not [name for name in names if "/u/" in name or "s/checkpoints" in name or name.endswith("lease")]


def test_what_does_not_fit_stays_and_pictures_first(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    some_runs(call.work / "runs")
    monkeypatch.setattr(on_a_gpu, "HOME", 9728)
    monkeypatch.setattr(on_a_gpu, "PIECES", 2)
    send_home(call)
    names = sent(call)
    assert "runs/s/result.json" in names
    assert not [name for name in names if "pictures" in name]


def test_another_lease_goes_on_with_the_runs_and_results_of_the_last(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_a_gpu, "HOME", 8192)  # so that it is cut
    some_runs(call.work / "runs")
    on_a_gpu.write(call, {"plan": {"ok": True, "found": {}, "seconds": 1.0}})
    send_home(call)
    assert len(list(call.out.glob("store-*.part"))) > 1
    there = Call(kit=call.out, out=tmp_path / "out-2", work=tmp_path / "work-2", deadline=0, small=True)
    set_up(there)
    assert (there.work / "runs" / "t" / "checkpoints" / "weights.safetensors").stat().st_size == 3000
    assert done(there).keys() == {"plan"}
    (there.work / "runs" / "t" / "result.json").write_text("newer")
    set_up(there)
    assert (there.work / "runs" / "t" / "result.json").read_text() == "newer"


def test_people_without_a_test_split_are_not_packed(tmp_path: Path) -> None:
    (tmp_path / "people" / "annotations").mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"people: must have a split test.*distilpose data split"):
        on_a_gpu.pack(tmp_path / "kit", tmp_path / "people", None)
    assert not (tmp_path / "kit").exists()


def test_splits_that_share_a_folder_are_packed_each_with_its_own_pictures(call: Call, tmp_path: Path) -> None:
    people = tmp_path / "people"
    (people / "annotations").mkdir(parents=True)
    (people / "images" / "val").mkdir(parents=True)
    (people / "images" / "test").symlink_to(people / "images" / "val")  # as `data split` makes it
    for split, name in (("val", "1.jpg"), ("test", "2.jpg")):
        (people / "images" / "val" / name).write_text(name)
        (people / "annotations" / f"{split}.json").write_text(json.dumps({"images": [{"file_name": name}]}))
    call.kit.mkdir(exist_ok=True)
    on_a_gpu.pack_people(people, call.kit / "data.tar.xz")
    set_up(call)
    found = {str(file.relative_to(call.work)) for file in (call.work / "data").rglob("*") if file.is_file()}
    pictures = {"data/images/val/1.jpg", "data/images/test/2.jpg"}
    assert found == pictures | {"data/annotations/val.json", "data/annotations/test.json"}
    assert not any(file.is_symlink() for file in (call.work / "data").rglob("*"))
