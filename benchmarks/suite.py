"""The benchmarks by name, and running them: figures as they come, kept page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from benchmarks.measure import Figure, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A module of this package that has `figures(settings)`; `minutes` are on 2 CPU cores, with 5 rounds."""

    about: str
    module: str
    minutes: float

    def figures(self, settings: Settings) -> Iterator[Figure]:
        """What it finds, as it is found."""
        found: Iterator[Figure] = import_module(f"benchmarks.{self.module}").figures(settings)
        yield from found


BENCHMARKS = {
    "cohort": Benchmark(about="a table's rows together against one by one", module="cohort", minutes=14),
    "step": Benchmark(about="one training step and its parts", module="step", minutes=6),
    "table": Benchmark(
        about="COCO's loss table: hours, and the fraction of the card's peak", module="table", minutes=40
    ),
    "compiled": Benchmark(about="the table's step by torch.compile", module="compiled", minutes=15),
    "pulls": Benchmark(about="looking at what each loss pulls", module="pulls", minutes=1),
    "students": Benchmark(about="students batched against one after the other", module="students", minutes=2),
    "input": Benchmark(about="people cropped and augmented", module="input", minutes=1),
    "growth": Benchmark(about="time and memory of a step by its sizes", module="growth", minutes=1),
    "validation": Benchmark(about="validations beside the training between them", module="validation", minutes=3),
    "start-up": Benchmark(about="from the command to the first step", module="start_up", minutes=3),
    "evaluators": Benchmark(about="what counts COCO's AP", module="evaluators", minutes=1),
    "evidence": Benchmark(about="rows compared over drawn pictures of COCO val's size", module="evidence", minutes=6),
    "engine": Benchmark(about="10,000 runs planned and looked at", module="engine_growth", minutes=3),
    "report": Benchmark(about="10,000 runs reported", module="report_growth", minutes=2),
    "tracking": Benchmark(about="100 finished runs sent to a W&B server", module="tracking", minutes=10),
}


def chosen(names: list[str]) -> dict[str, Benchmark]:
    """The benchmarks of these names, all where none is named.

    Raises:
        ValueError: there is none of a name.
    """
    for name in names:
        if name not in BENCHMARKS:
            raise ValueError(f"benchmark: must be one of {', '.join(BENCHMARKS)}, got {name!r}")
    return {name: BENCHMARKS[name] for name in names or BENCHMARKS}
