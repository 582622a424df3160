import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from command_line import shown
from rich.console import Console
from small_sweeps import SMALL, small_plan

from experiments.launch.records import LaunchProgress
from experiments.machine.quantities import duration
from experiments.plan.estimate import estimate
from experiments.plan.plan import Plan
from experiments.runs.store import Progress, Store
from experiments.terminal.launch_view import LaunchDisplay, measuring, plan_tables
from experiments.terminal.tables import SHOWN


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 s"), (200, "3 min"), (9000, "2.5 h"), (4.1 * 86400, "4.1 days")]
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_plan_shows_every_run_its_cohort_and_the_papers_number(plan: Plan, store: Store) -> None:
    text = shown(*plan_tables(plan, store.states(plan.runs), estimate(plan, store)))
    assert all(run_id in text for run_id in plan.runs)
    assert all(cohort.cohort_id in text for cohort in plan.cohorts)
    assert "67.1" in text
    assert "5 runs in 3 cohorts, 0 finished" in text


def test_a_plan_of_thousands_shows_what_needs_attention_and_all_on_request(tmp_path: Path, store: Store) -> None:
    seeds = ", ".join(map(str, range(60)))
    plan = small_plan(tmp_path, SMALL.replace("seeds: [0, 1]", f"seeds: [{seeds}]"))
    worst = list(plan.runs)[-1]
    store.run(worst).fail("the lights went out")
    states, costs = store.states(plan.runs), estimate(plan, store)
    text = shown(*plan_tables(plan, states, costs))
    assert worst in text
    assert sum(run_id in text for run_id in plan.runs) == SHOWN
    assert f"... and {121 - SHOWN} more: {121 - SHOWN} planned; --all shows every run" in text
    everything = shown(*plan_tables(plan, states, costs, everything=True))
    assert all(run_id in everything for run_id in plan.runs)


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


def test_no_time_is_left_to_tell_before_a_tenth_of_the_steps_was_seen(
    plan: Plan, lines: Callable[..., list[str]]
) -> None:
    teacher = plan.teachers[0].run_id
    told = lines(
        progress(seconds=0, **{teacher: None}),
        progress(seconds=30, **{teacher: 1}),
        progress(seconds=36, **{teacher: 10}),
    )
    assert told == [
        "0 s: 0 of 5 runs finished, 1 starting, 0 running, 0% of all steps",
        "30 s: 0 of 5 runs finished, 1 running, 1% of all steps",
        "36 s: 0 of 5 runs finished, 1 running, 10% of all steps, about 5 min left",
    ]


def test_steps_of_an_earlier_launch_count_as_done_and_not_as_speed(plan: Plan, lines: Callable[..., list[str]]) -> None:
    first, second = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id
    told = lines(
        progress(seconds=0),
        progress(seconds=10, **{first: 19}),
        progress(seconds=20, finished=[first], **{second: 8}),
        begun={first: 18, second: 0},
    )
    assert [line.partition("running, ")[2] for line in told] == [
        "18% of all steps",
        "19% of all steps",
        "28% of all steps, about 2 min left",
    ]


def test_an_interrupted_launch_ends_with_the_steps_it_has_done(plan: Plan, lines: Callable[..., list[str]]) -> None:
    teacher = plan.teachers[0].run_id
    assert lines(progress(seconds=9, **{teacher: 15}), progress(seconds=10))[-1].endswith(", 15% of all steps")


def test_what_is_left_counts_the_start_of_every_process(plan: Plan, store: Store) -> None:
    text = shown(*plan_tables(plan, store.states(plan.runs), estimate(plan, store)))
    assert "left: about " in " ".join(text.split())
    assert "8 s to start each of 3 cohorts" in " ".join(text.split())
    finished = dict.fromkeys(plan.runs, "finished")
    assert "5 finished; nothing is left." in shown(*plan_tables(plan, finished, estimate(plan, store)))


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
