"""The cells of a table, each with all that any format shows of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from reports.formats.words import plain
from reports.formats.words import signed as with_sign
from reports.statistics.differences import Difference, Spread
from reports.statistics.resampling import Interval

Value = str | float | int | bool | None

_HINTED_SEEDS = 12
PARTS: Mapping[str, tuple[str, ...]] = {
    "measured": ("mean", "std", "n", "wanted", "low95 bootstrap", "high95 bootstrap"),
    "change": (
        "mean", "std", "n", "low95", "high95", "p", "p_holm", "p_sign_flip", "p_sign_flip_holm", "least_p_sign_flip",
        "low95 bootstrap", "high95 bootstrap",
    ),
    "interval": ("low", "high"),
}  # fmt: skip
"""The names of a cell's values, for kinds of columns whose cells have several."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Args:
        text: in plain characters.
        values: for programs, every number in full; none of a gap.
        kind: its class on the page.
        sort: what the page sorts it by, where that is not its text.
        hint: what the page shows when it is pointed at.
        html: on the page, where that is more than its text.
        best: whether it is set in bold.
        underlined: whether LaTeX underlines it.
    """

    text: str
    values: tuple[Value, ...] = ()
    kind: str = ""
    sort: Value = None
    hint: str = ""
    html: str = ""
    best: bool = False
    underlined: bool = False


def gap(reason: str = "") -> Cell:
    """No value, and why in a word: `failed`, `missing`, or empty where nothing belongs."""
    return Cell(reason or "–", kind="gap")


def text(words: str) -> Cell:
    """Words: a name or a factor's value."""
    return Cell(words, (words,), "text")


def tick(on: bool) -> Cell:
    """Whether a loss is in use."""
    return Cell("✓" if on else "", (on,), "tick", int(on), "" if on else "not in use")


def seeds(spread: Spread, wanted: int, digits: int, *, best: bool = False) -> Cell:
    """What our seeds measured; `wanted` is how many seeds were asked for, `best` marks the greatest mean."""
    n, mean, std = spread.n, plain(spread.mean, digits), _std(spread.std, digits)
    count = f"({n}/{wanted})" if n != wanted else "(n = 1)" if n == 1 else f"({n})"
    by_seed = [f"seed {seed}: {plain(value, digits)}" for seed, value in spread.values.items()]
    hint = ", ".join(by_seed[:_HINTED_SEEDS])
    return Cell(
        text=f"{mean}{std} {count}",
        values=(spread.mean, spread.std, n, wanted, *_ends(spread.bootstrap)),
        kind="measured",
        sort=spread.mean,
        hint=hint if n <= _HINTED_SEEDS else f"{hint} and {n - _HINTED_SEEDS} others",
        html=f'{mean}{_muted(std)} <span class="n">{count}</span>',
        best=best,
    )


def change(difference: Difference | None, digits: int = 1, *, reason: str = "") -> Cell:
    """A difference paired by seed, such as an improvement over the baseline row; a gap where no pair has finished."""
    if difference is None:
        return gap(reason)
    one, mean, std = difference, with_sign(difference.mean, digits), _std(difference.std, digits)
    hint = f"{one.n} paired seed{'s' * (one.n != 1)}"
    hint += f"; 95 % interval {bounds(one.interval, digits).text}" if one.interval is not None else ""
    hint += f"; p = {one.p_adjusted:.2g} after Holm's correction" if one.p_adjusted is not None else ""
    tested = (one.p, one.p_adjusted, one.flip_p, one.flip_p_adjusted, one.least_flip_p)
    values = (one.mean, one.std, one.n, *_ends(one.interval), *tested, *_ends(one.bootstrap))
    return Cell(mean + std, values, "change", one.mean, hint, mean + _muted(std))


def number(value: float | None, digits: int = 1, *, signed: bool = False, reason: str = "") -> Cell:
    """A number without a spread, such as the paper's, or a gap; `signed` shows its plus."""
    if value is None:
        return gap(reason)
    return Cell((with_sign if signed else plain)(value, digits), (value,), "number", value)


def bounds(interval: Interval | None, digits: int = 1, *, reason: str = "") -> Cell:
    """The interval of a difference, or a gap."""
    if interval is None:
        return gap(reason)
    return Cell(
        f"{with_sign(interval.low, digits)} to {with_sign(interval.high, digits)}", _ends(interval), sort=interval.low
    )


def chance(p: float | None) -> Cell:
    """A p value, shown no smaller than 0.001; a gap where nothing was tested."""
    return gap() if p is None else Cell("< 0.001" if p < 0.001 else f"{p:.3f}", (p,), sort=p)


def _std(std: float | None, digits: int) -> str:
    return "" if std is None else f" ± {plain(std, digits)}"


def _muted(words: str) -> str:
    return f' <span class="spread">{words.strip()}</span>' if words else ""


def _ends(interval: Interval | None) -> tuple[Value, Value]:
    return (None, None) if interval is None else (interval.low, interval.high)
