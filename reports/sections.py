"""A report as a list of sections, in the order they are read. Every format shows the same list.

A section is made from the sweep's numbers by a function in `SECTIONS`; one that returns None has nothing to say. To add
a section, write such a function and hand it to `write_report`, after or among these.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reports.formats.cell_text import duration
from reports.formats.tables import Table
from reports.layouts.cost import cost_table
from reports.layouts.differences import differences_table
from reports.layouts.effects import additions_table, shapley_table
from reports.layouts.paper import paper_table
from reports.layouts.published import dev_table, val_table
from reports.layouts.results import sweep_table
from reports.layouts.runs import runs_table, setting_table, unfinished_table
from reports.layouts.search import chosen_table, search_sentences, trials_table
from reports.numbers.metrics import definitions
from reports.numbers.records import Picture
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import agreement_sentences
from reports.plots.calibration import calibration_drawing
from reports.plots.cost import cost_drawing
from reports.plots.curves import curve_drawings
from reports.plots.improvements import improvements_drawing
from reports.plots.joints import joints_drawing
from reports.plots.matrix import matrix_drawing
from reports.plots.search import search_drawings
from reports.plots.style import Drawing
from reports.plots.waterfall import waterfall_drawing

PICTURED_KINDS = {
    "skeleton": (
        "Predicted skeletons",
        "Joints as each row's model predicts them; certainty where the model gives one.",
    ),
    "heatmaps": ("Heatmaps", "What a simulated heatmap looks like beside the teacher's."),
    "attention": ("Attention", "Where the keypoint tokens look in the picture."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures of one kind, every row's beside the others'."""

    name: str
    title: str
    caption: str
    pictures: tuple[tuple[str, Picture], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactLine:
    """One fact and what was said of it; `differs` where runs disagree."""

    name: str
    values: tuple[str, ...]
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FactList:
    """Facts under one another (`long`) or side by side."""

    lines: tuple[FactLine, ...]
    long: bool = False


Block = Table | Drawing | Gallery | FactList


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report: `key` is its anchor, `short` its name in the list of sections."""

    key: str
    title: str
    short: str
    text: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    after: tuple[str, ...] = ()


SectionMaker = Callable[[SweepNumbers], Section | None]


def _there(*blocks: Block | None) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block is not None)


def results(numbers: SweepNumbers) -> Section:
    """The sweep's own table, and its drawing."""
    left = len(numbers.rows) - len(numbers.drawn)
    text = (
        f"Drawings and pictures are of “{numbers.baseline}” and the best of the others, {len(numbers.drawn)} of "
        f"{len(numbers.rows)} rows; the tables hold all.",
    )
    return Section(
        key="results",
        title="Results",
        short="Results",
        text=text if left else (),
        blocks=_there(sweep_table(numbers), matrix_drawing(numbers), improvements_drawing(numbers)),
    )


def tests(numbers: SweepNumbers) -> Section | None:
    """Which differences are significant."""
    table = differences_table(numbers)
    if table is None:
        return None
    return Section(key="tests", title="Significance tests", short="Tests", blocks=(table,))


def losses(numbers: SweepNumbers) -> Section | None:
    """What each loss is worth."""
    blocks = _there(additions_table(numbers), shapley_table(numbers), waterfall_drawing(numbers))
    if not blocks:
        return None
    return Section(key="losses", title="What each loss is worth", short="Losses", blocks=blocks)


def paper(numbers: SweepNumbers) -> Section | None:
    """Ours beside the paper's, and in what the settings differ."""
    table = paper_table(numbers)
    if table is None:
        return None
    text = agreement_sentences(numbers)
    if numbers.deviations:
        text = (
            *text,
            "The paper's numbers were measured in another setting, listed below. Compare orders and improvements, "
            "not levels.",
        )
    blocks = _there(table, setting_table(numbers) if numbers.deviations else None)
    return Section(key="paper", title="Beside the paper", short="Paper", text=text, blocks=blocks)


def cost(numbers: SweepNumbers) -> Section | None:
    """What the models cost and reach."""
    blocks = _there(cost_table(numbers), cost_drawing(numbers))
    return Section(key="cost", title="Cost", short="Cost", blocks=blocks) if blocks else None


def comparison(numbers: SweepNumbers) -> Section | None:
    """Published methods; only where the runs were measured on the papers' data, and may stand among them."""
    if not numbers.as_published:
        return None
    return Section(
        key="comparison",
        title="Among published methods",
        short="Comparison",
        blocks=(val_table(numbers), dev_table(numbers)),
    )


def curves(numbers: SweepNumbers) -> Section | None:
    """Training curves."""
    drawings = curve_drawings(numbers)
    return Section(key="curves", title="Training curves", short="Curves", blocks=drawings) if drawings else None


def errors(numbers: SweepNumbers) -> Section | None:
    """Confidence and joints."""
    if not any(run.state == "finished" for run in numbers.runs):
        return None
    calibration = calibration_drawing(numbers)
    blocks = _there(calibration, joints_drawing(numbers))
    recorded = [row for row in numbers.drawn_rows if row.calibration is not None or row.joints is not None]
    if not recorded:
        text: tuple[str, ...] = ("These runs did not record how their errors are spread over scores and joints.",)
    elif calibration is None:
        text = ("No row has scores in more than one twentieth, so there is no calibration to draw.",)
    else:
        text = ()
    return Section(key="errors", title="Confidence and joints", short="Errors", text=text, blocks=blocks)


def pictures(numbers: SweepNumbers) -> Section | None:
    """The newest pictures by kind."""
    named = [(row.name, picture) for row in numbers.rows for picture in row.pictures]
    galleries = []
    for kind in dict.fromkeys(picture.kind for _, picture in named):
        title, caption = PICTURED_KINDS.get(kind, (kind, ""))
        of_kind = tuple((row, picture) for row, picture in named if picture.kind == kind)
        galleries.append(Gallery(name=kind, title=title, caption=caption, pictures=of_kind))
    if not galleries:
        return None
    text = ("The same validation images for every row. Select a picture to see it large.",)
    return Section(key="pictures", title="Pictures", short="Pictures", text=text, blocks=tuple(galleries))


def search(numbers: SweepNumbers) -> Section | None:
    """The trials of a search, what they tell, and how far the best of them bear confirmation."""
    found = numbers.search
    if found is None:
        return None
    blocks = _there(chosen_table(numbers, found), *search_drawings(found), trials_table(found))
    return Section(key="search", title="Search", short="Search", text=search_sentences(found), blocks=blocks)


def unfinished(numbers: SweepNumbers) -> Section:
    """What is missing and what failed."""
    if not numbers.unfinished:
        text, blocks = (f"Nothing: all {len(numbers.runs)} runs have finished.",), ()
        return Section(
            key="unfinished", title="Missing and failed", short="Missing and failed", text=text, blocks=blocks
        )
    return Section(
        key="unfinished",
        title="Missing and failed",
        short="Missing and failed",
        blocks=(unfinished_table(numbers),),
    )


def teacher(numbers: SweepNumbers) -> Section | None:
    """Every teacher and its run."""
    lists = []
    for one in numbers.teachers:
        run = one.run
        lines = [("model", one.model), ("state", f"{run.state}: {run.reason}" if run.reason else run.state)]
        lines += [(name, f"{value:.1f}") for name, value in run.metrics.items()]
        if run.parameters:
            lines.append(("parameters", f"{run.parameters:,}"))
        if run.epochs:
            best = f", best at {run.best_epoch:g}" if run.best_epoch else ""
            lines.append(("epochs", f"{run.epochs:g}{best}"))
        if run.seconds:
            lines.append(("time", duration(run.seconds)))
        lines.append(("run", run.run_id))
        lists.append(FactList(lines=tuple(FactLine(name=name, values=(value,)) for name, value in lines)))
    if not lists:
        return None
    named = " ".join(name for one in numbers.teachers for name in one.run.metrics)
    return Section(key="teacher", title="Teacher", short="Teacher", blocks=tuple(lists), after=definitions(named))


def provenance(numbers: SweepNumbers) -> Section:
    """Where the numbers come from."""
    if not numbers.facts:
        text = ("No finished run has recorded where it came from.",)
        return Section(key="provenance", title="Provenance", short="Provenance", text=text)
    lines = []
    for fact in numbers.facts:
        said = [
            value if fact.agrees else f"{value} ({count} run{'s' * (count != 1)})" for value, count in fact.values[:12]
        ]
        if len(fact.values) > 12:
            said.append(f"and {len(fact.values) - 12} others")
        lines.append(FactLine(name=fact.name, values=tuple(said), differs=not fact.agrees))
    differing = [fact.name for fact in numbers.facts if not fact.agrees]
    after = (
        f"The finished runs disagree about: {', '.join(differing)}."
        if differing
        else "All finished runs agree on every fact that they should.",
    )
    return Section(
        key="provenance",
        title="Provenance",
        short="Provenance",
        blocks=(FactList(lines=tuple(lines), long=True),),
        after=after,
    )


def runs(numbers: SweepNumbers) -> Section:
    """Every run by itself."""
    return Section(key="runs", title="Every run", short="Every run", blocks=(runs_table(numbers),))


SECTIONS: tuple[SectionMaker, ...] = (
    results, tests, search, losses, paper, cost, comparison, curves, errors, pictures, unfinished, teacher,
    provenance, runs,
)  # fmt: skip


def make_sections(numbers: SweepNumbers, makers: Iterable[SectionMaker] = SECTIONS) -> tuple[Section, ...]:
    """The sections that have something to say, in the given order. Their keys and the names of their parts differ."""
    found = tuple(section for section in (make(numbers) for make in makers) if section is not None)
    names = [block.name for section in found for block in section.blocks if not isinstance(block, FactList)]
    keys = [section.key for section in found]
    assert len(set(names)) == len(names), f"two parts of a report have one name: {sorted(names)}"
    assert len(set(keys)) == len(keys), f"two sections have one key: {sorted(keys)}"
    return found


def tables_of(sections: Sequence[Section]) -> tuple[Table, ...]:
    """Every table of a report."""
    return tuple(block for section in sections for block in section.blocks if isinstance(block, Table))


def drawings_of(sections: Sequence[Section]) -> tuple[Drawing, ...]:
    """Every drawing of a report."""
    return tuple(block for section in sections for block in section.blocks if isinstance(block, Drawing))
