import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import fake_job
import pytest
from command_line import Said
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from small_sweeps import MINI

from experiments.cli import launch
from experiments.launch.inline import InlineLauncher
from experiments.launch.protocol import Opened
from experiments.terminal.output import Plain, PlainFormatter, plain, print_line, terminal
from experiments.terminal.tables import table_of

HOSTILE = "all\x1b[2J\x1b]0;owned\x07\x9b31m\u202e[/red] [x]\r.png"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("all, seed 0", "all, seed 0"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb\x00\x7f\x9b", r"a\rb\x00\x7f\x9b"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Ünïcode, 人, e\u0301", "Ünïcode, 人, e\u0301"),
        ("abc\u202ecba", r"abc\u202ecba"),
        (Path("caf\udce9"), r"caf\udce9"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_letters_as_they_are(text: object, shown: str) -> None:
    assert plain(text) == shown


def _commands(text: str) -> str:
    return "".join(letter for letter in text if ord(letter) < 32 and letter != "\n")


def drawings() -> list[object]:
    cells = Table(HOSTILE)
    cells.add_row(HOSTILE)
    return [HOSTILE, Text(HOSTILE), cells, table_of(("what", "state"), [(HOSTILE, "failed")], styled="state")]


@pytest.mark.parametrize("drawing", drawings(), ids=["text", "rich text", "table", "table of runs"])
@pytest.mark.parametrize("style", [None, "none"])
def test_what_a_terminal_shows_is_neither_markup_nor_a_command(
    drawing: object, style: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal()
    console.file = io.StringIO()
    console.width = 200
    console.print(drawing, style=style)
    text = console.file.getvalue()
    assert _commands(text) == ""
    assert r"all\x1b[2J\x1b]0;owned" in text
    assert "[/red] [x]" in text


def test_a_live_view_of_plain_drawings_passes_no_command() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None, markup=False)
    with Live(Plain(Text(HOSTILE)), console=console):
        pass
    assert "\x1b[2J" not in out.getvalue()
    assert r"all\x1b[2J" in out.getvalue()


def test_a_log_line_passes_no_command() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "run %s", (HOSTILE,), None)
    assert _commands(PlainFormatter("%(levelname)s: %(message)s").format(record)) == ""


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_result_is_plain_on_a_terminal_and_as_it_is_for_programs(
    monkeypatch: pytest.MonkeyPatch, *, on_terminal: bool
) -> None:
    out = io.StringIO()
    out.isatty = lambda: on_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", out)
    print_line(Path(HOSTILE))
    assert out.getvalue() == f"{plain(HOSTILE) if on_terminal else HOSTILE}\n"


@pytest.mark.parametrize("name", ["g[/red]", "g [x]", "g\x1b[2J"])
def test_a_launch_prints_any_path_so_that_it_can_be_pasted(
    distilpose: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sweep = tmp_path / "mini.yaml"
    sweep.write_text(MINI)
    monkeypatch.setattr(launch, "choose", lambda *_, **__: Opened(launcher=InlineLauncher(work=fake_job.main)))
    code, _, err = distilpose("launch", sweep, "--runs", tmp_path / name, "--wandb", "disabled")
    assert code == 0, err
    assert f"Report: distilpose report {sweep} --profile default --runs '{plain(tmp_path / name)}'\n" in err
    assert _commands(err) == ""
