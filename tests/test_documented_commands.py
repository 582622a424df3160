"""Every command that a page or a sweep's head names is one that there is, with options that it has."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from experiments.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "sweeps").glob("*.yaml")])
LINE = re.compile(r"^\s*(?:#\s+)?(?:uv run(?: --locked)? )?distilpose ((?:[^#`\n\\]|\\\n)+)", re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """The words of every command line on the page."""
    return [shlex.split(found.replace("\\\n", " ")) for found in LINE.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_and_their_options_exist(page: Path) -> None:
    for words in commands(page):
        known = typer.main.get_command(app)
        said = list(words)
        while hasattr(known, "commands"):
            name = said.pop(0)
            assert name in known.commands, f"distilpose {' '.join(words)}"
            known = known.commands[name]
        options = {option for parameter in known.params for option in (*parameter.opts, *parameter.secondary_opts)}
        named = {word.partition("=")[0] for word in said if word.startswith("--")}
        assert named <= options | {"--help"}, f"distilpose {' '.join(words)}"


def test_pages_with_commands_are_read() -> None:
    assert {page.name for page in PAGES if commands(page)} >= {"README.md", "walkthrough.md", "defects.yaml"}
