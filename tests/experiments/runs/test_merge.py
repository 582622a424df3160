"""Several folders of runs as one: which life of a run wins, and that nothing is lost on the way."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Said

from experiments.runs.lease import acquire
from experiments.runs.merge import Merged, joined_plans, merge
from experiments.runs.saved_plan import SavedPlan, SavedRow, SavedRun
from experiments.runs.status import proof, standings
from experiments.runs.store import RunDir, Store

A, B = "a00000000000", "b00000000000"
SPEC: dict[str, Any] = {
    "role": "student", "row": "all", "seed": 0, "recipe": {"model": {"model": "distilpose_s"}}, "teacher_id": None,
    "identity": {},
}  # fmt: skip


def begin(store: Store, run_id: str, *, steps: int = 2, at: float = 100.0) -> RunDir:
    """An unfinished run whose journal ends at that time."""
    run = store.run(run_id)
    run.write_spec(SPEC)
    lines = [
        {"t": at - steps + step, "event": "metrics", "step": step, "epoch": 0, "values": {}} for step in range(steps)
    ]
    (run.path / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.checkpoints.mkdir()
    (run.checkpoints / "step-1-0123456789abcdef.pt").write_bytes(b"state")
    return run


def finish(store: Store, run_id: str, *, steps: int = 4, at: float = 100.0, ap: float = 0.5) -> RunDir:
    """A finished run with weights."""
    run = begin(store, run_id, steps=steps, at=at)
    run.weights.write_bytes(b"weights")
    run.write_result({"metrics": {"AP": ap}})
    return Store(store.root).run(run_id)


def plan_of(*rows: SavedRow, **fields: Any) -> SavedPlan:
    bare: dict[str, Any] = {"sweep": "mini", "profile": "default", "title": "", "table": "rows", "metric": "AP"}
    bare |= {"baseline": None, "source": "", "teachers": (), "cohorts": (), "settings": {}}
    return SavedPlan(**{**bare, "rows": rows, **fields})


def row_of(name: str, *run_ids: str, first: int = 0) -> SavedRow:
    runs = tuple(SavedRun(run_id=run_id, seed=first + place) for place, run_id in enumerate(run_ids))
    return SavedRow(name=name, ticks={}, factors={}, paper={}, runs=runs)


def content(root: Path) -> dict[str, bytes]:
    """Every file of a folder, but those of leases."""
    files = (path for path in root.rglob("*") if path.is_file() and "lease" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Store, Store, Store]:
    """Two folders to merge, and where."""
    return Store(tmp_path / "one"), Store(tmp_path / "two"), Store(tmp_path / "into")


def merged(*stores: Store) -> Merged:
    *sources, into = stores
    return merge([store.root for store in sources], into.root)


def test_finished_beats_unfinished_whichever_is_newer_and_the_curve_is_whole(
    places: tuple[Store, Store, Store],
) -> None:
    one, two, into = places
    finish(one, A, at=100)
    begin(two, A, at=900)
    for sources in ((one, two), (two, one)):
        done = merged(*sources, into)
        found = Store(into.root).run(A)
        assert found.state() == "finished"
        assert found.journal_fault(found.result()) is None
        assert not done.left_out
        shutil.rmtree(into.root)


def test_of_two_unfinished_lives_the_newer_wins_and_the_other_is_moved_aside(
    places: tuple[Store, Store, Store],
) -> None:
    one, two, into = places
    begin(one, A, steps=5, at=100)
    begin(two, A, steps=3, at=200)
    done = merged(one, two, into)
    assert (done.added, done.replaced) == ([A], [A])
    assert (
        into.run(A).path.joinpath("journal.jsonl").read_bytes()
        == two.run(A).path.joinpath("journal.jsonl").read_bytes()
    )
    (aside,) = (into.root / "replaced").iterdir()
    assert (aside / "journal.jsonl").read_bytes() == one.run(A).path.joinpath("journal.jsonl").read_bytes()
    assert str(aside) in done.notes[0]
    assert {run.run_id for run in into.runs()} == {A}


def test_a_run_finished_twice_is_said_and_the_newer_stays(places: tuple[Store, Store, Store]) -> None:
    one, two, into = places
    finish(one, A, at=200, ap=0.5)
    finish(two, A, at=100, ap=0.4)
    done = merged(one, two, into)
    result = Store(into.root).run(A).result()
    assert result is not None
    assert result.metrics["AP"] == 0.5
    assert "was finished twice" in done.notes[0]


def test_merging_again_changes_nothing_and_sources_are_only_read(places: tuple[Store, Store, Store]) -> None:
    one, two, into = places
    finish(one, A)
    begin(two, B)
    one.save_plan(plan_of(row_of("all", A)))
    two.save_plan(plan_of(row_of("all", B, first=1)))
    before = content(one.root), content(two.root)
    merged(one, two, into)
    once = content(into.root)
    done = merged(one, two, into)
    assert (content(one.root), content(two.root)) == before
    assert content(into.root) == once
    assert sorted(done.kept) == [A, B]
    assert not any([done.added, done.replaced, done.completed, done.plans])


@pytest.mark.parametrize("instant", range(12))
def test_a_merge_that_was_killed_is_repeated(
    places: tuple[Store, Store, Store], instant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before one of its renames; then the same merge again."""
    one, two, into = places
    finish(one, A, at=200)
    finish(two, B)
    begin(into, A)
    one.save_plan(plan_of(row_of("all", A)))
    (one.root / "jobs").mkdir()
    (one.root / "jobs" / "c.log").write_text("said")
    left, rename = [instant], Path.rename

    def dying(self: Path, target: Any) -> Path:
        left[0] -= 1
        if left[0] < 0:
            os._exit(0)
        return rename(self, target)

    if not (child := os.fork()):
        monkeypatch.setattr(Path, "rename", dying)
        merged(one, two, into)
        os._exit(0)
    os.waitpid(child, 0)
    merged(one, two, into)
    assert {run.run_id: run.state() for run in Store(into.root).runs()} == {A: "finished", B: "finished"}
    assert (into.root / "jobs" / "c.log").read_text() == "said"
    assert into.load_plan("mini", "default").rows[0].runs[0].run_id == A
    assert any(path.name.startswith(A) for path in (into.root / "replaced").iterdir())


def test_a_copy_without_weights_gets_them_later(places: tuple[Store, Store, Store]) -> None:
    one, _, into = places
    finish(one, A)
    shutil.copytree(one.root / A, into.root / A, ignore=shutil.ignore_patterns("checkpoints"))
    done = merged(one, into)
    assert done.completed == [A]
    assert into.run(A).weights.read_bytes() == b"weights"
    assert not list(into.run(A).checkpoints.glob("step-*"))


def test_damaged_and_mixed_runs_are_left_out_by_name_and_a_sound_one_takes_their_place(
    places: tuple[Store, Store, Store],
) -> None:
    one, two, into = places
    mixed, damaged = finish(one, A), finish(one, B)
    shutil.copy(begin(two, A).path / "journal.jsonl", mixed.path / "journal.jsonl")
    (damaged.path / "result.json").write_text("{")
    done = merged(one, into)
    assert not into.runs()
    assert [("journal" in why or "damaged" in why) for why in done.left_out] == [True, True]
    shutil.copytree(one.root / B, into.root / B)
    shutil.rmtree(two.root)
    finish(two, B)
    assert merged(two, into).replaced == [B]
    assert Store(into.root).run(B).state() == "finished"


def test_a_run_that_a_process_here_trains_is_left_alone(places: tuple[Store, Store, Store]) -> None:
    one, two, into = places
    lease = acquire(begin(one, A).path / "lease")
    assert lease is not None
    done = merged(one, into)
    assert not into.runs()
    assert f"process {os.getpid()} is training it" in done.left_out[0]
    finish(two, A)
    assert merged(two, one).left_out
    assert not one.run(A).finished
    lease.release()
    assert merged(two, one).replaced == [A]


def test_a_copy_from_elsewhere_has_no_holder(places: tuple[Store, Store, Store]) -> None:
    one, _, into = places
    run = begin(one, A)
    assert acquire(run.path / "lease") is not None
    owner = next((run.path / "lease").glob("*/owner.json"))
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "machine": "another", "host": "gpu7"}))
    merged(one, into)
    assert into.run(A).state() == "interrupted"


def test_plans_of_one_sweep_are_joined_by_rows_and_seeds(places: tuple[Store, Store, Store]) -> None:
    one, two, into = places
    finish(one, A)
    finish(two, B)
    one.save_plan(plan_of(row_of("all", A)))
    two.save_plan(plan_of(row_of("all", B, first=1), row_of("none", "c00000000000")))
    merged(one, two, into)
    plan = into.load_plan("mini", "default")
    assert {row.name: [(run.run_id, run.seed) for run in row.runs] for row in plan.rows} == {
        "all": [(A, 0), (B, 1)],
        "none": [("c00000000000", 0)],
    }
    assert {one.state for one in standings(into, plan)} == {"finished", "planned"}
    assert not proof(into, plan.run_names).damaged


def test_the_newer_plan_names_rows_and_wins_where_both_have_a_seed() -> None:
    newer, older = plan_of(row_of("full", A), title="new"), plan_of(row_of("all", A, B), title="old")
    joined, said = joined_plans(newer, older)
    assert joined.title == "new"
    assert [(row.name, [run.run_id for run in row.runs]) for row in joined.rows] == [("full", [A, B])]
    assert said == []
    other, said = joined_plans(plan_of(row_of("all", A)), plan_of(row_of("all", B)))
    assert [run.run_id for run in other.rows[0].runs] == [A]
    assert said == ["mini.default: row 'all' has other runs in two plans (seeds 0): the newer plan's stay"]


def test_users_code_and_logs_come_along_and_a_changed_provenance_does_not(places: tuple[Store, Store, Store]) -> None:
    one, _, into = places
    finish(one, A)
    (one.parts / "123456789abc").mkdir(parents=True)
    (one.parts / "123456789abc" / "mine.py").write_text("code")
    (one.root / "provenance").mkdir()
    (one.root / "provenance" / ("0" * 64 + ".txt")).write_text("not its checksum")
    done = merged(one, into)
    assert (into.parts / "123456789abc" / "mine.py").read_text() == "code"
    assert not (into.root / "provenance").exists()
    assert "checksum" in done.left_out[0]


def test_a_users_merge_is_told_and_ends_with_1_where_something_is_left_out(
    distilpose: Callable[..., Said], places: tuple[Store, Store, Store], tmp_path: Path
) -> None:
    one, two, into = places
    finish(one, A)
    one.save_plan(plan_of(row_of("all", A)))
    code, out, err = distilpose("merge", one.root, "--into", into.root)
    assert (code, out.splitlines(), err) == (0, ["1 run was added", "plans: mini.default"], "")
    finish(two, B).path.joinpath("result.json").write_text("")
    code, out, _ = distilpose("merge", two.root, "--into", into.root, "--json")
    assert code == 1
    assert "is empty" in json.loads(out)["left_out"][0]
    for wrong, rule in ((tmp_path / "nowhere", "must be a folder of runs"), (into.root, "is --into itself")):
        code, _, err = distilpose("merge", wrong, "--into", into.root)
        assert code == 2
        assert rule in err


def test_searches_in_two_states_are_not_joined() -> None:
    search: Any = {"trials": [1]}
    plan = plan_of(row_of("a", A), search=search)
    joined, said = joined_plans(plan, replace(plan, search={"trials": [2]}))  # type: ignore[arg-type]
    assert joined == plan
    assert "two states of one search are not joined" in said[0]


def test_a_log_comes_along_and_a_link_that_leads_nowhere_does_not(places: tuple[Store, Store, Store]) -> None:
    one, _, into = places
    run = finish(one, A)
    (one.root / "jobs").mkdir()
    (one.root / "jobs" / "c.log").write_text("said")
    run.log.symlink_to("../jobs/c.log")
    (run.path / "gone").symlink_to("nowhere")
    merged(one, into)
    assert into.run(A).log_tail() == ["said"]
    assert not os.path.lexists(into.run(A).path / "gone")
    assert merged(one, into).kept == [A]
