"""What typing the `distilpose` command comes to."""

import io

from rich.console import Console

Said = tuple[int, str, str]
"""Its exit code, what it prints, and what it tells the user."""


def shown(*parts: object) -> str:
    """What a console a hundred and sixty letters wide shows of these."""
    console = Console(file=io.StringIO(), width=160)
    for part in parts:
        console.print(part)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()
