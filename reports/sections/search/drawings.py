"""Drawings of a search: how the best grew, which fields mattered, where the good trials lie, and the front."""

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from reports.formats.drawing import FAINT, INK, LABEL, MUTED, OURS, PAPER, SMALL, WIDTH, Drawing, draw, one_panel
from reports.sections.search.numbers import Axis, SearchNumbers, TrialNumbers

_HIGHLIGHTED = 4  # one in so many finished trials is among the good ones
_TITLES = {"gflops": "GFLOPs", "latency_ms": "latency (ms)"}


def search_drawings(search: SearchNumbers) -> tuple[Drawing, ...]:
    """Every drawing that the trials so far are enough for."""
    if not any(trial.reached is not None for trial in search.trials):
        return ()
    makers = (history_drawing, importance_drawing, parallel_drawing, front_drawing)
    return tuple(drawing for make in makers if (drawing := make(search)) is not None)


def _title(objective: str) -> str:
    return _TITLES.get(objective, objective)


def history_drawing(search: SearchNumbers) -> Drawing:
    """The first objective by trial, and the best of it so far."""
    figure, axes = one_panel(WIDTH, 2.8)
    for first, second in pairwise(search.trials):
        if first.batch != second.batch:
            axes.axvline(second.number - 0.5, color=FAINT, linewidth=0.7, zorder=0)
    finished = [trial for trial in search.trials if trial.values is not None]
    best: list[tuple[int, float]] = []
    for trial in finished:
        if not best or search.sign * (trial.reached or 0.0) > search.sign * best[-1][1]:
            best.append((trial.number, trial.reached or 0.0))
    if best:
        ends = [*best, (search.trials[-1].number, best[-1][1])]
        axes.step(*zip(*ends, strict=True), where="post", color=OURS, linewidth=1.3, zorder=2)
    kinds: dict[tuple[str, str, str], list[TrialNumbers]] = {
        ("o", OURS, "finished"): [trial for trial in finished if trial.row not in search.own_trials],
        ("x", MUTED, "pruned, best so far"): [trial for trial in search.trials if trial.state == "pruned"],
        ("+", MUTED, "not finished, best so far"): [
            trial for trial in search.trials if trial.state not in ("finished", "pruned")
        ],
        ("D", PAPER, " and ".join(search.own_trials)): [trial for trial in finished if trial.row in search.own_trials],
    }
    for (mark, colour, label), trials in kinds.items():
        known = [(trial.number, trial.reached) for trial in trials if trial.reached is not None]
        if known:
            axes.plot(*zip(*known, strict=True), mark, color=colour, markersize=5, label=label, linestyle="", zorder=3)
    axes.set_xlabel("trial")
    axes.set_ylabel(_title(search.objectives[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    figure.legend(loc="outside upper left", ncols=4)
    caption = (
        f"{_title(search.objectives[0])} of every trial, seed {search.seed}, and the best so far (line). Those between "
        "two vertical lines were suggested, and trained, together. The best of many is partly luck."
    )
    return draw(figure, name="search-history", caption=caption)


def importance_drawing(search: SearchNumbers) -> Drawing | None:
    """PED-ANOVA's importances; None while too few trials have finished."""
    found = search.importances
    if not found:
        return None
    figure, axes = one_panel(WIDTH, 0.8 + 0.34 * len(found))
    for position, one in enumerate(found):
        axes.barh(position, one.share, height=0.56, color=FAINT, zorder=1)
        axes.plot([one.interval.low, one.interval.high], [position, position], color=OURS, linewidth=1.6, zorder=2)
        axes.plot([one.share], [position], "o", color=OURS, markersize=5, zorder=3)
    axes.set_yticks(range(len(found)), [one.label for one in found], fontsize=LABEL, color=INK)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    axes.set_xlabel("importance (PED-ANOVA), of a total of 1")
    n = len(search.finished)
    caption = (
        f"How much each field tells the best trials from all of them, by PED-ANOVA over the {n} finished trials "
        f"(pruned ones do not count). Lines hold 90 % of the same over {n} trials drawn again with replacement: where "
        "they overlap, the order may be chance."
    )
    return draw(figure, name="search-importance", caption=caption)


def parallel_drawing(search: SearchNumbers) -> Drawing:
    """Every trial a line across the fields to its first objective."""
    figure, axes = one_panel(max(WIDTH, 0.9 * len(search.axes)), 3.0)
    shown = [(trial, trial.reached) for trial in search.trials if trial.reached is not None]
    low, high = min(reached for _, reached in shown), max(reached for _, reached in shown)
    good = {trial.number for trial in search.finished[: max(1, len(search.finished) // _HIGHLIGHTED)]}
    across = range(len(search.axes) + 1)
    shown.sort(key=lambda one: (one[0].row in search.own_trials, one[0].number in good, one[0].values is not None))
    for trial, reached in shown:
        try:
            heights = [axis.place(trial.params[axis.field]) for axis in search.axes]
        except ValueError:  # a choice that the space has no longer
            continue
        heights.append((reached - low) / ((high - low) or 1.0))
        if trial.row in search.own_trials:
            axes.plot(across, heights, color=PAPER, linewidth=1.8, marker="D", markersize=4, label=trial.row, zorder=4)
        elif trial.number in good:
            axes.plot(across, heights, color=OURS, linewidth=1.5, marker="o", markersize=3.5, zorder=3)
        else:
            style = "-" if trial.values is not None else ":"
            axes.plot(across, heights, color=MUTED if trial.values else FAINT, linewidth=0.8, linestyle=style, zorder=1)
    for position in across:
        axes.axvline(position, color=INK, linewidth=0.8, zorder=2)
    for position, axis in enumerate(search.axes):
        for height, text in _marks(axis):
            axes.annotate(
                text, (position, height), xytext=(3, 0), textcoords="offset points", fontsize=SMALL, va="center",
                zorder=5, bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
    for height, value in ((0.0, low), (1.0, high)):
        axes.annotate(
            f"{value:.1f}", (len(search.axes), height), xytext=(4, 0), textcoords="offset points", fontsize=SMALL,
            va="center", annotation_clip=False,
        )  # fmt: skip
    axes.set_xticks(across, [*(axis.label for axis in search.axes), _title(search.objectives[0])], fontsize=LABEL)
    axes.tick_params(axis="x", length=0, colors=INK)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_ylim(-0.06, 1.06)
    own = f"; {' and '.join(f'“{name}”' for name in search.own_trials)} with diamonds" if search.own_trials else ""
    caption = (
        f"Every trial as a line across its values to the {_title(search.objectives[0])} it reached: the best quarter "
        f"of the finished ones in colour with dots{own}, the others thin, unfinished and pruned ones dotted."
    )
    return draw(figure, name="search-parallel", caption=caption)


def _marks(axis: Axis) -> list[tuple[float, str]]:
    """What stands on an axis, and how high."""
    if axis.choices:
        return [(axis.place(choice), str(choice)) for choice in axis.choices]
    return [(0.0, f"{axis.low:g}"), (1.0, f"{axis.high:g}")]


def front_drawing(search: SearchNumbers) -> Drawing | None:
    """The first objective against each of the others; None where there is but one."""
    first, *others = map(_title, search.objectives)
    if not others or not search.finished:
        return None
    figure = Figure(figsize=(WIDTH, 2.6 * len(others)))
    panels: list[Axes] = list(figure.subplots(len(others), 1, squeeze=False)[:, 0])
    for index, (axes, objective) in enumerate(zip(panels, others, strict=True), start=1):
        for trial in search.finished:
            assert trial.values is not None
            own, on_front = trial.row in search.own_trials, trial.number in search.front
            axes.plot(
                [trial.values[index]], [trial.values[0]], "D" if own else "o", markersize=6 if on_front else 4,
                color=PAPER if own else OURS if on_front else FAINT, zorder=3 if own else 2,
            )  # fmt: skip
        axes.set_xlabel(objective)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.margins(0.08)
        axes.set_ylabel(first)
    marks = f" Diamonds: {' and '.join(f'“{name}”' for name in search.own_trials)}." if search.own_trials else ""
    caption = (
        f"The finished trials by {first} and {' and '.join(others)}; in colour the {len(search.front)} that no other "
        f"beats.{marks} One seed each: neighbours on the front may change places."
    )
    return draw(figure, name="search-front", caption=caption)
