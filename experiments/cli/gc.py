"""`distilpose gc`."""

from dataclasses import asdict
from typing import Annotated

import typer

from experiments.cli.options import INCOMPLETE, RUNS, All, AsJson, Runs, print_json
from experiments.terminal.output import terminal


def gc(
    runs: Runs = RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Free it; without this, only show what would be freed.")] = False,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """Free the disk of what no saved plan needs: runs, checkpoints of finished ones, what merges replaced, jobs."""
    from experiments.machine.quantities import data_size
    from experiments.runs.garbage import KINDS, free, survey
    from experiments.runs.store import Store
    from experiments.terminal.tables import some_of

    store = Store(runs)
    found, left_alone = survey(store)
    gone = [waste for waste, freed in free(store, found) if freed] if yes else found
    left = [waste for waste in found if waste not in gone] if yes else []
    total = sum(waste.size for waste in gone)
    if as_json:
        plain = [{**asdict(waste), "path": str(waste.path)} for waste in gone]
        in_use = [str(waste.path) for waste in left]
        print_json({"freed": yes, "bytes": total, "waste": plain, "left": in_use, "left_alone": left_alone})
    else:
        out = terminal(soft_wrap=True)
        for kind in KINDS:
            some = [waste for waste in gone if waste.kind == kind]
            if some:
                names = list(dict.fromkeys(waste.run_id or str(waste.path.relative_to(runs)) for waste in some))
                plural = "" if len(some) == 1 else "s"
                out.print(f"{len(some):,} {kind}{plural}, {data_size(sum(w.size for w in some))}: {some_of(names)}")
        if everything:
            for waste in gone:
                out.print(f"  {waste.path}  {data_size(waste.size)}  {waste.why}")
        said = "freed" if yes else "would be freed; --yes frees them"
        out.print(f"{data_size(total)} ({total:,} bytes) {said}")
        for line in left_alone:
            out.print(f"left alone: {line}")
        if left:
            out.print(f"left, since they are in use or wanted again: {some_of([str(waste.path) for waste in left])}")
    if left:
        raise typer.Exit(INCOMPLETE)
