"""`distilpose diagnose`."""

from experiments.cli.options import RUNS, DataRoot, Profile, Runs, SweepName, console, launched


def diagnose(sweep: SweepName, profile: Profile = None, data: DataRoot = None, runs: Runs = RUNS) -> None:
    """Work out what older finished runs did not write: calibration, joints found, and what their models cost."""
    import torch

    from experiments.runs.store import Store
    from experiments.train.diagnose import diagnose_finished

    torch.set_num_threads(1)  # as runs on a CPU do: their speeds are told with the number of threads
    store = Store(runs)
    name, chosen = launched(sweep, profile)
    count = diagnose_finished(store, store.load_plan(name, chosen), data=data)
    console.print(f"{count} runs diagnosed. Report: distilpose report {sweep} --profile {chosen}", soft_wrap=True)
