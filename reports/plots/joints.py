"""Which joints are found: rows by joints as a heat map."""

from matplotlib import rc_context
from matplotlib.figure import Figure

from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.matrix import draw_grid
from reports.plots.style import Drawing


@rc_context({"text.parse_math": False})
def joints_figure(numbers: SweepNumbers) -> Figure | None:
    """The share of each joint found within a tenth of the person's box, row by row; None where no run recorded it."""
    known = [(row, row.joints) for row in numbers.drawn_rows if row.joints is not None]
    if not known:
        return None
    names = next(joints.names for _, joints in known if joints is not None)
    rows = [(row.name, joints) for row, joints in known if joints is not None and joints.names == names]
    figure = Figure(figsize=(1.6 + 0.52 * len(names), 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    values = {
        (line, place): found.mean for line, (_, joints) in enumerate(rows) for place, found in enumerate(joints.found)
    }
    texts = {at: f"{value:.0f}" for at, value in values.items()}
    draw_grid(
        axes,
        values,
        texts,
        [name for name, _ in rows],
        [name.replace("_", " ") for name in names],
        (min(values.values()), max(values.values())),
    )
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="right", rotation_mode="anchor")
    return figure


def joints_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The heat map with its caption; None where no run recorded its joints."""
    figure = joints_figure(numbers)
    if figure is None:
        return None
    return Drawing(
        name="joints",
        figure=figure,
        wide=True,
        caption="Share of each labelled joint found within a tenth of the longer side of its person's box, in per "
        "cent, the mean of the seeds. Every annotated person is held against the prediction of its "
        "picture that is most like it (OKS).",
    )
