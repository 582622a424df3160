import io

import pytest
from rich.console import Console

from experiments.display import LaunchDisplay, duration, plan_tables, saved_status_rows, status_table
from experiments.estimate import estimate
from experiments.launch.scheduler import LaunchProgress
from experiments.plan import Plan
from experiments.store import Progress, Store


def shown(*parts: object) -> str:
    console = Console(file=io.StringIO(), width=160)
    for part in parts:
        console.print(part)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 s"), (200, "3 min"), (9000, "2.5 h"), (4.1 * 86400, "4.1 days")]
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_plan_shows_every_run_its_cohort_and_the_papers_number(plan: Plan, store: Store) -> None:
    text = shown(*plan_tables(plan, store, estimate(plan, store)))
    assert all(run_id in text for run_id in plan.runs)
    assert all(cohort.cohort_id in text for cohort in plan.cohorts)
    assert "67.1" in text
    assert "5 runs in 3 cohorts, 0 finished" in text


def test_status_tells_state_steps_metric_and_reason(plan: Plan, store: Store) -> None:
    teacher, student = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id
    with store.run(teacher).journal() as journal:
        journal.start(attempt=1, step=0, total_steps=20)
        journal.metrics(10, {"val/AP": 0.25}, epoch=1)
    store.run(student).fail("the lights went out")
    rows = {row["run_id"]: row for row in saved_status_rows(store, plan.json())}
    assert rows.keys() == plan.runs.keys()
    assert (rows[teacher]["state"], rows[teacher]["step"], rows[teacher]["AP"]) == ("interrupted", 10, 0.25)
    assert rows[student]["state"] == "failed"
    text = shown(status_table(rows.values()))
    assert "10/20" in text
    assert "AP 25.0" in text
    assert "the lights went out" in text


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
