"""`distilpose bench`: what the suite costs here, each figure a comparison within one run."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import AsJson, Device, console, print_json


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; all by default.", metavar="[NAME]...")] = None,
    rounds: Annotated[int, typer.Option(help="How often each way is timed, after once to warm up.", min=1)] = 5,
    device: Device = "auto",
    quick: Annotated[bool, typer.Option(help="Small sizes, to see that it works.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Tell what there is, and measure nothing.")] = False,
    out: Annotated[Path | None, typer.Option(help="Markdown file to put the figures in; others' stay.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure cohorts, steps, input, start-up and growth on this machine, each against its plain way."""
    from benchmarks.suite import chosen

    wanted = chosen(names or [])
    minutes = sum(benchmark.minutes for benchmark in wanted.values()) * rounds / 5
    for name, benchmark in wanted.items():
        console.print(f"{name:12} {benchmark.about}", highlight=False)
    cost = "under a minute each" if quick else f"about {minutes:.0f} min on 2 CPU cores, which should be idle"
    console.print(f"{len(wanted)} benchmarks, {rounds} rounds each: {cost}.", highlight=False)
    if listing:
        return
    from datetime import date

    from benchmarks.measure import Settings
    from benchmarks.page import keep, section_of
    from experiments.devices import torch_device
    from experiments.provenance import provenance

    settings = Settings(device=str(torch_device(device)), rounds=rounds, quick=quick)
    facts = {**provenance(), "date": str(date.today()), "device": settings.device}
    facts = {fact: facts[fact] for fact in _FACTS}
    sections = {}
    for name, benchmark in wanted.items():
        figures = []
        console.rule(name)
        for figure in benchmark.figures(settings):
            figures.append(figure)
            spread = f"{figure.low:.3g} to {figure.high:.3g}, n = {len(figure.ratios)}"
            aim = "" if figure.aim is None else f"; aim {figure.aim:.3g}"
            line = f"{figure.ratio:7.3g}  {figure.what}, against {figure.against} ({spread}{aim})  {figure.note}"
            console.print(line, markup=False, highlight=False)
        sections[name] = section_of(figures, facts)
        if out is not None:
            keep(out, name, sections[name])
    if as_json:
        print_json(sections)


_FACTS = ("date", "device", "cpu", "gpu", "threads", "cores", "packages", "python", "platform", "commit", "dirty")
