"""`distilpose status`."""

from rich.console import Console

from experiments.commands.options import RUNS, AsJson, Profile, Runs, SweepName, launched, print_json


def status(sweep: SweepName, profile: Profile = None, runs: Runs = RUNS, as_json: AsJson = False) -> None:
    """Where every run of a launched sweep stands."""
    from collections import Counter

    from experiments.display import saved_status_rows, status_table
    from experiments.store import Store

    store = Store(runs)
    name, chosen = launched(sweep, profile)
    rows = saved_status_rows(store, store.load_plan(name, chosen))
    counts = Counter(row["state"] for row in rows)
    if as_json:
        print_json({"sweep": name, "profile": chosen, "counts": dict(counts), "runs": rows})
        return
    Console().print(status_table(rows))
    Console().print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
