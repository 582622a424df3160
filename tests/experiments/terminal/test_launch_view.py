import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from command_line import shown
from rich.console import Console
from small_sweeps import SMALL, small_plan

from experiments.launch.protocol import Slot
from experiments.launch.records import LaunchProgress
from experiments.machine.quantities import duration
from experiments.plan.estimate import estimate
from experiments.plan.plan import Plan
from experiments.runs.store import Progress, Store
from experiments.terminal.launch_view import LaunchDisplay, launch_summary, measuring, plan_tables
from experiments.terminal.tables import SHOWN


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 s"), (200, "3 min"), (9000, "2.5 h"), (4.1 * 86400, "4.1 days")]
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_plan_shows_a_row_a_line_with_its_seeds_and_the_papers_number(plan: Plan, store: Store) -> None:
    store.run(plan.rows[0].runs[0].run_id).fail("the lights went out")
    text = shown(*plan_tables(plan, store.states(plan.runs), estimate(plan, store)))
    teacher, none, kt = (line.split() for line in text.splitlines() if line.startswith(("teacher ", "none", "KT")))
    assert teacher[:2] == ["teacher", plan.teachers[0].run_id[:6]]
    assert none[:7] == ["none", "56.0", "0,", "1", "1", "failed,", "1"]
    assert kt[:5] == ["KT", "67.1", "0,", "1", "planned"]
    assert plan.cohorts[0].cohort_id not in text
    assert "5 runs in 3 cohorts, 0 finished" in text


def test_a_plan_of_every_run_names_its_cohort_and_teacher(plan: Plan, store: Store) -> None:
    text = shown(*plan_tables(plan, store.states(plan.runs), estimate(plan, store), everything=True))
    assert all(run_id in text for run_id in plan.runs)
    assert all(cohort.cohort_id in text for cohort in plan.cohorts)


def test_values_of_axes_have_columns_that_fit_eighty_letters_uncut(tmp_path: Path, store: Store) -> None:
    axes = "axes: {grid: {schedule.lr: [1e-3, 5e-4], losses.SH: [0.125, 1], augmentation.rotation: [0.0, 45.0]}}\n"
    plan = small_plan(tmp_path, SMALL.replace("baseline: none\n", "").replace("[0, 1]", "[0, 1, 2]") + axes)
    console = Console(file=io.StringIO(), width=80)
    for part in plan_tables(plan, store.states(plan.runs), estimate(plan, store)):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    rows = [line.split() for line in text.splitlines() if line.startswith(("none ", "KT "))]
    assert len(rows) == 16
    assert rows[9][:5] == ["KT", "0.001", "0.125", "45", "0-2"]
    assert "2 teachers, because schedule.lr differs" not in text  # rotation differs too
    assert "4 teachers, because" in text


def test_a_plan_of_many_rows_shows_what_needs_attention_and_all_on_request(tmp_path: Path, store: Store) -> None:
    rates = ", ".join(f"0.{number + 100}" for number in range(30))
    text = SMALL.replace("baseline: none\n", "").replace("seeds: [0, 1]", "seeds: [0]")
    plan = small_plan(tmp_path, f"{text}axes: {{grid: {{losses.SH: [{rates}]}}}}\n")
    worst = plan.rows[-1].runs[0].run_id
    store.run(worst).fail("the lights went out")
    states, costs = store.states(plan.runs), estimate(plan, store)
    few = shown(*plan_tables(plan, states, costs))
    assert "failed" in few
    assert few.count("planned") == SHOWN  # with the line about the others
    assert f"... and {61 - SHOWN} more: {61 - SHOWN} planned; --all shows every run" in few
    assert all(run_id in shown(*plan_tables(plan, states, costs, everything=True)) for run_id in plan.runs)


def progress(*, seconds: float, finished: Iterable[str] = (), **running: int | None) -> LaunchProgress:
    """Where a launch stands; the runs that run by the step they have reached."""
    return LaunchProgress(
        total=5,
        finished=frozenset(finished),
        running={
            run_id: None if step is None else Progress(step=step, total_steps=20, epoch=0, values={}, time=0.0)
            for run_id, step in running.items()
        },
        elsewhere=frozenset(),
        failed={},
        blocked=frozenset(),
        seconds=seconds,
    )


@pytest.fixture
def lines(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What a launch prints where there is no terminal: five runs of 20 steps each."""
    monkeypatch.setattr("experiments.terminal.launch_view._PLAIN_SECONDS", 0.0)

    def lines(*told: LaunchProgress, begun: dict[str, int] | None = None) -> list[str]:
        out = io.StringIO()
        with LaunchDisplay(plan, Console(file=out, width=160), begun) as display:
            for one in told:
                display.update(one)
        return out.getvalue().splitlines()

    return lines


def test_a_launch_without_a_terminal_prints_how_far_it_is(plan: Plan, lines: Callable[..., list[str]]) -> None:
    teacher, student = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id
    (line,) = lines(progress(seconds=60.0, finished=[teacher], **{student: 5}))
    assert line == "60 s: 1 of 5 runs finished, 1 running, 25% of all steps"


def test_the_time_left_is_told_once_every_kind_of_cohort_was_seen(plan: Plan, lines: Callable[..., list[str]]) -> None:
    teacher, first, _ = (cohort.run_ids for cohort in plan.cohorts)
    told = lines(
        progress(seconds=0, **dict.fromkeys(teacher)),
        progress(seconds=36, **dict.fromkeys(teacher, 19)),
        progress(seconds=40, finished=teacher, **dict.fromkeys(first)),
        progress(seconds=48, finished=teacher, **dict.fromkeys(first, 1)),
        progress(seconds=58, finished=teacher, **dict.fromkeys(first, 11)),
    )
    assert told[0] == "0 s: 0 of 5 runs finished, 1 starting, 0 running, 0% of all steps"
    assert not any("left" in line for line in told[:4])
    assert told[4] == "58 s: 1 of 5 runs finished, 2 running, 42% of all steps, about 37 s left"


def test_an_interrupted_launch_ends_with_the_steps_it_has_done(plan: Plan, lines: Callable[..., list[str]]) -> None:
    teacher = plan.teachers[0].run_id
    assert lines(progress(seconds=9, **{teacher: 15}), progress(seconds=10))[-1].endswith(", 15% of all steps")


def test_a_guess_is_said_to_be_one_by_a_plan_and_not_by_a_launch(plan: Plan, store: Store) -> None:
    costs = estimate(plan, store)
    text = " ".join(shown(*plan_tables(plan, store.states(plan.runs), costs)).split())
    assert "of training, by multiply-adds" in text
    assert "8 s to start each of 3 cohorts; data loading and validation not included." in text
    said = str(launch_summary(plan, store.states(plan.runs), costs, (Slot(),)))
    assert "how long the rest takes is told once it is known" in said
    assert "multiply-adds" not in said
    finished = dict.fromkeys(plan.runs, "finished")
    assert "5 finished; nothing is left." in shown(*plan_tables(plan, finished, costs))


def test_what_was_measured_in_finished_runs_counts_with_start_up_and_validation(plan: Plan, store: Store) -> None:
    for run_id in (plan.teachers[0].run_id, *(row.runs[0].run_id for row in plan.rows)):
        store.run(run_id).write_spec(plan.runs[run_id].spec)
        store.run(run_id).write_result({"metrics": {}, "seconds": 40.0, "steps": 20})
    said = str(launch_summary(plan, store.states(plan.runs), estimate(plan, store), (Slot(),)))
    assert "left: about 88 s of computing with start-up and validation, by steps measured on cpu before." in said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_measured_is_told_on_one_line(plan: Plan, store: Store, is_terminal: bool) -> None:
    out = io.StringIO()
    with measuring(Console(file=out, force_terminal=is_terminal, width=100)) as say:
        estimate(plan, store, say)
    text = out.getvalue()
    if is_terminal:
        assert ": GMACs" in text
    else:
        assert text == "measuring what the models cost, once\n"


def test_nothing_is_told_where_nothing_is_measured() -> None:
    out = io.StringIO()
    with measuring(Console(file=out, force_terminal=True)):
        pass
    assert out.getvalue() == ""
