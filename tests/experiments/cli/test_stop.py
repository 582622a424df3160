"""`distilpose stop` and `retry`, as a user types them."""

from collections.abc import Callable

from command_line import Said

from experiments.plan.plan import Plan
from experiments.runs.store import Store


def test_a_run_is_stopped_and_retried_by_the_beginning_of_its_id(
    distilpose: Callable[..., Said], plan: Plan, store: Store
) -> None:
    store.save_plan(plan.saved())
    failed, planned = (run.run_id for run in plan.rows[0].runs)
    store.run(failed).fail("the lights went out")
    code, out, _ = distilpose("stop", failed[:6], planned, "--runs", store.root)
    assert (code, store.run(failed).state(), store.run(planned).state()) == (0, "stopped", "stopped")
    assert f"distilpose retry {planned} takes that back" in out
    code, out, _ = distilpose("status", "small", "--profile", "default", "--runs", store.root)
    assert "3 planned, 2 stopped" in out
    assert distilpose("retry", failed, planned, "--runs", store.root)[0] == 0
    assert (store.run(failed).state(), store.run(planned).state()) == ("planned", "planned")


def test_a_run_that_is_not_there_or_finished_stops_nothing(
    distilpose: Callable[..., Said], plan: Plan, store: Store
) -> None:
    store.save_plan(plan.saved())
    one, other = (run.run_id for run in plan.rows[0].runs)
    store.run(other).write_result({"metrics": {"AP": 0.5}})
    for words, said in (
        (("stop", one, "nobody"), "run 'nobody': must be a run in"),
        (("stop", one, other), "must not be finished or damaged, is finished"),
        (("retry", one), "must have failed or been stopped, is planned"),
    ):
        code, _, err = distilpose(*words, "--runs", store.root)
        assert (code, said in err) == (2, True), err
        assert store.run(one).state() == "planned"
