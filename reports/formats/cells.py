"""The body of a table as HTML, built without a template: a report of ten thousand runs has a hundred thousand cells."""

from markupsafe import Markup, escape

from reports.formats.cell_text import count, interval_text, p_text, plain, signed
from reports.formats.tables import Bounds, Cell, Chance, Change, Column, Gap, Measured, Number, Table, Text, Tick

_HINTED_SEEDS = 12


def aligned(column: Column) -> str:
    """How a column's cells stand."""
    return {"text": "words", "tick": "centred"}.get(column.kind, "figures")


def body_html(table: Table) -> Markup:
    """The rows of a table: the first cell of each is its heading, and every cell says what it sorts by."""
    alignments = [aligned(column) for column in table.columns]
    lines = []
    for row in table.rows:
        cells = [
            _cell(cell, place, tag="td" if index else "th")
            for index, (cell, place) in enumerate(zip(row, alignments, strict=True))
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return Markup("\n".join(lines))


def _cell(cell: Cell, place: str, *, tag: str) -> str:
    """One cell. Only words can hold what must be escaped: all else is made of numbers."""
    scope = ' scope="row"' if tag == "th" else ""
    match cell:
        case Text(text):
            return f'<{tag}{scope} class="{place} text">{escape(text)}</{tag}>'
        case Tick(on):
            hint = "" if on else ' title="not in use"'
            return f'<{tag}{scope} class="{place} tick" data-sort="{int(on)}"{hint}>{"✓" if on else ""}</{tag}>'
        case Measured(spread, wanted, digits, best):
            std = "" if spread.std is None else f' <span class="spread">± {plain(spread.std, digits)}</span>'
            seeds = f' <span class="n">({count(spread, wanted)})</span>'
            mark = " best" if best else ""
            return (
                f'<{tag}{scope} class="{place} measured{mark}" data-sort="{spread.mean!r}" title="{_by_seed(cell)}">'
                f"{plain(spread.mean, digits)}{std}{seeds}</{tag}>"
            )
        case Change(found, digits):
            std = "" if found.std is None else f' <span class="spread">± {plain(found.std, digits)}</span>'
            return (
                f'<{tag}{scope} class="{place} change" data-sort="{found.mean!r}" title="{_tested(cell)}">'
                f"{signed(found.mean, digits)}{std}</{tag}>"
            )
        case Number(value, digits, with_sign):
            shown = signed(value, digits) if with_sign else plain(value, digits)
            return f'<{tag}{scope} class="{place} number" data-sort="{value!r}">{shown}</{tag}>'
        case Bounds(interval, _, _):
            return f'<{tag}{scope} class="{place}" data-sort="{interval.low!r}">{interval_text(cell)}</{tag}>'
        case Chance(p):
            return f'<{tag}{scope} class="{place}" data-sort="{p!r}">{escape(p_text(p))}</{tag}>'
        case Gap(reason):
            return f'<{tag}{scope} class="{place} gap">{escape(reason or "–")}</{tag}>'


def _by_seed(cell: Measured) -> str:
    """What each seed measured; of many, the first."""
    values = list(cell.spread.values.items())
    shown = ", ".join(f"seed {seed}: {plain(value, cell.digits)}" for seed, value in values[:_HINTED_SEEDS])
    return shown + (f" and {len(values) - _HINTED_SEEDS} others" if len(values) > _HINTED_SEEDS else "")


def _tested(cell: Change) -> str:
    """How many pairs a difference has, and what its test says."""
    found = cell.difference
    said = f"{found.n} paired seed{'s' * (found.n != 1)}"
    if found.low is not None and found.high is not None:
        said += f"; 95 % interval {signed(found.low, cell.digits)} to {signed(found.high, cell.digits)}"
    return said if found.p_adjusted is None else f"{said}; p = {found.p_adjusted:.2g} after Holm's correction"
