"""A `Table` as LaTeX with booktabs rules: it pastes into a paper and compiles."""

from collections.abc import Iterable

from reports.formats.cell_text import cell_text
from reports.formats.tables import Cell, Column, Measured, Table, Tick

_LATEX_WORDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "«": "``",
    "»": "''",
    "‘": "`",
    "’": "'",
    "ρ": r"$\rho$",
    "α": r"$\alpha$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "✓": r"\checkmark{}",
    "°": r"$^\circ$",
} | {character: "\\" + character for character in "&%$#_{}"}
_LATEX = str.maketrans(_LATEX_WORDS)


# What pdfLaTeX sets in its default encoding: ASCII, Latin-1 and Latin Extended-A, but for these letters.
_NOT_SET = frozenset("ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")


def _is_set(letter: str) -> bool:
    return " " <= letter <= "~" or ("\xa1" <= letter <= "\u017f" and letter not in _NOT_SET)


def escape_latex(text: str) -> str:
    """Text that pdfLaTeX typesets as written; a letter it does not know becomes its number, as U+4E2D."""
    known = " ".join(text.split()).translate(_LATEX)
    return "".join(letter if _is_set(letter) else f"U+{ord(letter):04X}" for letter in known)


def _latex_cell(cell: Cell) -> str:
    match cell:
        case Tick(on):
            return r"\checkmark" if on else ""
        case Measured(_, _, _, True):
            return rf"\textbf{{{escape_latex(cell_text(cell))}}}"
        case _:
            return escape_latex(cell_text(cell))


def _latex_groups(columns: tuple[Column, ...]) -> list[str]:
    """The line of group titles and the rules below it; nothing where no column stands in a group."""
    spans: list[tuple[str, int, int]] = []
    for position, column in enumerate(columns, start=1):
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1], position)
        else:
            spans.append((column.group, position, position))
    if not any(group for group, _, _ in spans):
        return []
    titles = [rf"\multicolumn{{{last - first + 1}}}{{c}}{{{escape_latex(group)}}}" for group, first, last in spans]
    rules = [rf"\cmidrule(lr){{{first}-{last}}}" for group, first, last in spans if group]
    return [" & ".join(titles) + r" \\", " ".join(rules)]


def latex_table(table: Table) -> str:
    """The table as a LaTeX `table` float with booktabs rules, no wider than the text.

    Needs the packages booktabs, amssymb and graphicx, under pdfLaTeX with UTF-8, which is its default.
    """
    align = "".join({"text": "l", "tick": "c"}.get(column.kind, "r") for column in table.columns)
    return "\n".join(
        [
            r"% \usepackage{booktabs,amssymb,graphicx}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(' '.join([table.caption + '.', *table.footnotes]))}}}",
            rf"\label{{tab:{table.name}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            *_latex_groups(table.columns),
            " & ".join(escape_latex(column.title) for column in table.columns) + r" \\",
            r"\midrule",
            *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def latex_document(title: str, files: Iterable[str]) -> str:
    """A document that shows every table of a report: `pdflatex` it beside them.

    Args:
        title: of the document.
        files: the tables' files, relative to the document.
    """
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{booktabs,amssymb,graphicx}",
            r"\usepackage[margin=2cm]{geometry}",
            rf"\title{{{escape_latex(title)}}}",
            r"\date{}",
            r"\begin{document}",
            r"\maketitle",
            *(rf"\input{{{file}}}\clearpage" for file in files),
            r"\end{document}",
            "",
        ]
    )
