"""`distilpose bench`: what the suite costs here, each figure a comparison within one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import INCOMPLETE, AsJson, Device, console, print_json

if TYPE_CHECKING:
    from benchmarks.measure import Figure


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
    from benchmarks.page import keep, kept_sections, section_of
    from experiments.launch.devices import torch_device
    from experiments.runs.provenance import provenance

    if out is not None:
        kept_sections(out)  # refuses a page that cannot be added to, before it measures
    settings = Settings(device=str(torch_device(device)), rounds=rounds, quick=quick)
    facts = {**provenance(), "date": str(date.today()), "device": settings.device}
    facts = {fact: facts[fact] for fact in _FACTS}
    sections = {}
    for name, benchmark in wanted.items():
        figures = []
        console.rule(name)
        try:
            for figure in benchmark.figures(settings):
                figures.append(figure)
                console.print(_line(figure), markup=False, highlight=False)
        except ValueError as error:  # an extra that is not installed, say: the others can be measured
            console.print(f"error: {name}: {error}", markup=False, highlight=False, soft_wrap=True)
            continue
        sections[name] = section_of(figures, facts)
        if out is not None:
            keep(out, name, sections[name])
    if as_json:
        print_json(sections)
    if len(sections) < len(wanted):
        raise typer.Exit(INCOMPLETE)


def _line(figure: "Figure") -> str:
    spread = f"{figure.low:.3g} to {figure.high:.3g}, n = {len(figure.ratios)}"
    aim = "" if figure.aim is None else f"; aim {figure.aim:.3g}"
    return f"{figure.ratio:7.3g}  {figure.what}, against {figure.against} ({spread}{aim})  {figure.note}"


_FACTS = ("date", "device", "cpu", "gpu", "threads", "cores", "packages", "python", "platform", "commit", "dirty")
