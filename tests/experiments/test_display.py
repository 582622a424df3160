import io
from pathlib import Path

import pytest
from command_line import shown
from rich.console import Console
from small_sweeps import SMALL, small_plan

from experiments.display import LaunchDisplay, plan_tables
from experiments.estimate import estimate
from experiments.launch.records import LaunchProgress
from experiments.plan import Plan
from experiments.store import Progress, Store
from experiments.tables import SHOWN, duration


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


def test_a_launch_without_a_terminal_prints_how_far_it_is(plan: Plan) -> None:
    out = io.StringIO()
    teacher, student = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id
    running = Progress(step=5, total_steps=20, epoch=0, values={}, time=0.0)
    with LaunchDisplay(plan, Console(file=out, width=160)) as display:
        display.update(
            LaunchProgress(
                total=5,
                finished=frozenset({teacher}),
                running={student: running},
                elsewhere=frozenset(),
                failed={},
                blocked=frozenset(),
                seconds=60.0,
            )
        )
    assert "1 of 5 runs finished, 1 running, 25% of all steps" in out.getvalue()
