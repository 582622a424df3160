"""The `distilpose` command in this process, for thousands of calls: an exception that it lets out is a fault."""

import contextlib
import io
import sys
from unittest import mock

from experiments.cli.main import main


def distilpose(*arguments: object) -> tuple[int, str]:
    """Its exit code, and what it tells the user on both streams."""
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["distilpose", *map(str, arguments)]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            main()
        except SystemExit as ending:
            return int(ending.code or 0), said.getvalue()
    raise AssertionError("the command did not end by exiting")
