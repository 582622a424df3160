"""One frame of `status --watch`: a list of runs that scrolls and filters, with the curves of the metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from distilpose.evaluation.metrics import shown as metric_text
from experiments.machine.quantities import duration
from experiments.machine.use import MachineUse
from experiments.runs.status import Standing, counts
from experiments.terminal.tables import STYLES, said_counts

Curve = Sequence[tuple[float, float]]
"""Epochs and values."""

KEYS = "↑ ↓ PgUp PgDn scroll   / filters   c curve   q ends this view, not the runs"
_ORDER = ("damaged", "running", "failed", "interrupted", "planned", "stopped", "pruned", "finished")
_BLOCKS = " ▁▂▃▄▅▆▇█"
_SPARK = 12  # letters of a curve in the list
_CHART = 5  # lines of the selected run's curve
_BESIDE_ROWS = 8  # lines that are neither rows nor the curve
_MOVES = {"\x1b[A": -1, "k": -1, "\x1b[B": 1, "j": 1, "\x1b[5~": -10, "\x1b[6~": 10}
_ENDS = {"\x1b[H": 0, "g": 0, "\x1b[F": -1, "G": -1}


@dataclass(slots=True)
class View:
    """What the user chose: the selected run, the text that runs must have, and whether it is being typed."""

    selected: int = 0
    text: str = ""
    typing: bool = False
    chart: bool = True

    def press(self, key: str, found: Sequence[Standing]) -> bool:
        """Do what a key asks for; whether it ends the view."""
        if self.typing:
            if key in ("\r", "\n", "\x1b"):
                self.typing = False
                self.text = "" if key == "\x1b" else self.text
            elif key in ("\x7f", "\b"):
                self.text = self.text[:-1]
            elif key.isprintable():
                self.text += key
            self.selected = 0
            return False
        last = max(0, len(self.rows(found)) - 1)
        if key in _MOVES:
            self.selected = min(last, max(0, self.selected + _MOVES[key]))
        elif key in _ENDS:
            self.selected = last if _ENDS[key] else 0
        elif key == "/":
            self.typing, self.text, self.selected = True, "", 0
        elif key == "\x1b":
            self.text = ""
        elif key == "c":
            self.chart = not self.chart
        return key in ("q", "Q")

    def rows(self, found: Sequence[Standing]) -> list[Standing]:
        """The runs with that text, those that need attention first."""
        text = self.text.lower()
        kept = [one for one in found if text in f"{one.what} {one.state} {one.run_id} {one.note}".lower()]
        return sorted(kept, key=lambda one: _ORDER.index(one.state))

    def shown(self, found: Sequence[Standing], height: int, gpus: int) -> tuple[int, list[Standing]]:
        """The runs that fit so many lines with the selected one among them, and the place of the first."""
        rows = self.rows(found)
        room = max(1, height - _BESIDE_ROWS - gpus - (_CHART + 1 if self.has_chart(height) else 0))
        self.selected = min(self.selected, max(0, len(rows) - 1))
        top = min(max(0, self.selected - room // 2), max(0, len(rows) - room))
        return top, rows[top : top + room]

    def has_chart(self, height: int) -> bool:
        """Whether there is room for the curve of the selected run."""
        return self.chart and height >= 20


def frame(
    title: str,
    found: Sequence[Standing],
    metric: str,
    use: MachineUse,
    *,
    height: int,
    width: int = 80,
    view: View | None = None,
    curves: Mapping[str, Curve] | None = None,
) -> RenderableType:
    """The view as the user left it: overall progress, the machine, and as many runs as fit `height` lines."""
    view, curves = view or View(), curves or {}
    done = sum(_share_done(one) for one in found)
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(
        ProgressBar(total=max(1, len(found)), completed=done, complete_style="cyan"),
        Text(f"{done / max(1, len(found)):.0%}{_time_left(found)}"),
    )
    top, rows = view.shown(found, height, len(use.gpus))
    count = len(view.rows(found))
    where = f"{top + 1}-{top + len(rows)} of {count} runs" if count else "no run"
    if view.text or view.typing:
        where += f" with “{view.text}{'_' if view.typing else ''}”" + ("" if view.typing else ", Esc shows all")
    parts: list[RenderableType] = [
        _line(title, "bold"),
        _line(said_counts(counts(found))),
        bar,
        *machine_lines(use),
        _table(rows, view.selected - top, metric, curves, wide=width >= 110),
        _line(where, "dim"),
    ]
    if view.has_chart(height) and rows:
        chosen = rows[view.selected - top]
        said = " ".join(filter(None, (f"{chosen.run_id} {chosen.what}:", chosen.note or chosen.state)))
        parts += [_line(said), *_chart(curves.get(chosen.run_id, ()), metric, width)]
    return Group(*parts, _line(KEYS, "dim"))


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _table(rows: Sequence[Standing], selected: int, metric: str, curves: Mapping[str, Curve], *, wide: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    for heading in ("run", "state", "steps", "left", metric, "curve", *(["where, or why"] if wide else [])):
        right = heading in ("steps", "left", metric)
        ratio = {"run": 3, "where, or why": 4}.get(heading)
        table.add_column(heading, ratio=ratio, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    values = [value for one in rows for _, value in curves.get(one.run_id, ())]
    low, high = min(values, default=0.0), max(values, default=1.0)
    for place, one in enumerate(rows):
        table.add_row(
            Text(one.what),
            Text(one.state, style=STYLES[one.state]),
            "" if one.step is None else f"{one.step}/{one.total_steps or '?'}",
            "" if one.seconds_left is None else duration(one.seconds_left),
            "" if one.value is None else metric_text(metric, one.value),
            Text(_spark(curves.get(one.run_id, ()), low, high), style="cyan"),
            *([Text(one.note)] if wide else []),
            style="reverse" if place == selected else "",
        )
    return table


def _sampled(curve: Curve, count: int) -> list[float]:
    """At most so many of the values, the last among them."""
    values = [value for _, value in curve]
    if len(values) <= count:
        return values
    return [values[round(place * (len(values) - 1) / (count - 1))] for place in range(count)]


def _spark(curve: Curve, low: float, high: float) -> str:
    """The curve in a line of blocks; those of the list have one scale."""
    return "".join(_BLOCKS[1 + round(7 * (value - low) / ((high - low) or 1.0))] for value in _sampled(curve, _SPARK))


def _chart(curve: Curve, metric: str, width: int) -> list[Text]:
    """The curve as columns, its lowest and highest value beside them."""
    if not curve:
        return [_line(f"no {metric} was measured yet", "dim"), *[Text()] * (_CHART - 1)]
    low, high = min(value for _, value in curve), max(value for _, value in curve)
    labels = [metric_text(metric, high), *[""] * (_CHART - 3), metric_text(metric, low)]
    room = max(10, width - 10)
    values = _sampled(curve, room)
    each = max(1, min(6, room // len(values)))
    lines = []
    eighths = [1 + round((8 * (_CHART - 1) - 1) * (value - low) / ((high - low) or 1.0)) for value in values]
    for line, label in zip(reversed(range(_CHART - 1)), labels, strict=True):
        cells = "".join(_BLOCKS[min(8, max(0, height - 8 * line))] * each for height in eighths)
        lines.append(Text.assemble(f"{label:>8} ", (cells, "cyan"), no_wrap=True, overflow="crop"))
    return [*lines, _line(f"{'':9}{metric} from epoch {curve[0][0]:g} to {curve[-1][0]:g}", "dim")]


def _share_done(one: Standing) -> float:
    if one.state in ("finished", "pruned"):
        return 1.0
    return 0.0 if one.step is None or not one.total_steps else min(1.0, one.step / one.total_steps)


def _time_left(found: Sequence[Standing]) -> str:
    """The time left at the pace of the runs at work now, if all runs were alike."""
    pace = sum((1 - _share_done(one)) / one.seconds_left for one in found if one.seconds_left)
    over = ("finished", "failed", "stopped", "damaged")
    left = sum(1 - _share_done(one) for one in found if one.state not in over)
    return f", about {duration(left / pace)} left" if pace and left else ""


def machine_lines(use: MachineUse) -> list[Text]:
    """The load of this machine."""
    memory = f"memory {use.memory_used / 1e9:.1f} of {use.memory_total / 1e9:.1f} GB"
    lines = [_line(f"CPU {use.cpu_percent:.0f}% of {use.cores} cores, {memory}" + ("" if use.gpus else ", no GPU"))]
    lines += [
        _line(
            f"GPU {gpu.index} ({gpu.name}) {gpu.percent:.0f}%, "
            f"memory {gpu.memory_used / 1e9:.1f} of {gpu.memory_total / 1e9:.1f} GB"
        )
        for gpu in use.gpus
    ]
    return lines
