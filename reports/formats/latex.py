"""LaTeX that pastes into a paper and compiles."""

from collections.abc import Iterable

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "–": "--", "—": "---",
        "…": r"\ldots{}", "“": "``", "”": "''", "«": "``", "»": "''", "‘": "`", "’": "'", "ρ": r"$\rho$",
        "α": r"$\alpha$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "✓": r"\checkmark{}",
        "°": r"$^\circ$",
    }
    | {character: "\\" + character for character in "&%$#_{}"}
)  # fmt: skip
# What pdfLaTeX sets in its default encoding: ASCII, Latin-1 and Latin Extended-A, but for these letters.
_NOT_SET = frozenset("ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")


def _is_set(letter: str) -> bool:
    return " " <= letter <= "~" or ("\xa1" <= letter <= "\u017f" and letter not in _NOT_SET)


def escape_latex(text: str) -> str:
    """Text that pdfLaTeX typesets as written; a letter it does not know becomes its number, as U+4E2D."""
    known = " ".join(text.split()).translate(_LATEX)
    return "".join(letter if _is_set(letter) else f"U+{ord(letter):04X}" for letter in known)


def latex_float(
    caption: str, label: str, align: str, head: Iterable[str], body: Iterable[str], notes: Iterable[str] = ()
) -> str:
    """A `table` float with booktabs rules, no wider than the text, of lines that are LaTeX already; notes below.

    Needs the packages booktabs, amssymb and graphicx, under pdfLaTeX with UTF-8, which is its default.
    """
    below = [escape_latex(note) for note in notes]
    return "\n".join(
        [
            r"% \usepackage{booktabs,amssymb,graphicx}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(caption)}.}}",
            rf"\label{{{label}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *([r"\par\smallskip", r"\parbox{\linewidth}{\footnotesize", *below, "}"] if below else []),
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
            r"\begin{document}",
            rf"\section*{{{escape_latex(title)}}}",
            *(rf"\input{{{file}}}\clearpage" for file in files),
            r"\end{document}",
            "",
        ]
    )
