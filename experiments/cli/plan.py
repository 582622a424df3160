"""`distilpose plan`."""

from dataclasses import asdict

from experiments.cli.options import (
    RUNS,
    All,
    AsJson,
    DataRoot,
    Place,
    Profile,
    Runs,
    SweepName,
    console,
    end_on,
    plan_sweep,
    print_json,
    read_profile,
    say_changes,
)
from experiments.terminal.output import terminal


def plan(
    sweep: SweepName,
    profile: Profile = None,
    data: DataRoot = None,
    runs: Runs = RUNS,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """Show rows, run ids, cohorts, the cost of what is left, and the GPU memory it needs. Starts nothing."""
    from experiments.launch.memory_needs import memory_needs
    from experiments.plan.estimate import estimate
    from experiments.runs.store import Store
    from experiments.terminal.launch_view import measuring, plan_tables

    planned = plan_sweep(read_profile(sweep, profile, data), Place(data=data, runs=runs))
    store = Store(runs)
    states = store.states(planned.runs)
    with measuring(console) as say:
        costs = estimate(planned, store, say)
        needs = memory_needs(planned, store, costs, _smallest_gpu, say)
    if as_json:
        memory = {cohort_id: None if need is None else asdict(need) for cohort_id, need in needs.items()}
        print_json(
            {
                **planned.json(),
                "states": states,
                "problems": list(planned.problems),
                "cost": costs.json(),
                "memory": memory,
            }
        )
    else:
        for part in plan_tables(planned, states, costs, needs, everything=everything):
            terminal().print(part)
        say_changes(store, planned, "would be")
    end_on(planned.problems)


def _smallest_gpu() -> int | None:
    """Asked for only where a cohort is for a GPU."""
    from experiments.launch.device_memory import smallest_gpu

    return smallest_gpu()
