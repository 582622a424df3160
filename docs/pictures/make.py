"""Every picture of the docs, made again from the demo's runs:

    distilpose demo --runs runs
    uv run python docs/pictures/make.py --runs runs            # all, or the names of some: report plan ...

The runs are copied first and stay as they are. Needs a Chromium of the system and the group `docs`.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient
from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

import distilpose as dp

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
DEMO = ("losses", "--profile", "tiny")
LARGEST = 150_000  # bytes
COLUMNS = 80
HOME = b"\x1b[H"  # what a live view begins each screen with


def distilpose(*words: str) -> None:
    """Run the command here."""
    subprocess.run(["distilpose", *words], check=True, stdout=subprocess.DEVNULL)


def typed(*words: str, lines: int = 40, screens: int = 0) -> str:
    """What the command writes to a terminal; after so many screens, where it draws them, q is typed."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, COLUMNS, 0, 0))
    colours = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(["distilpose", *words], stdin=its, stdout=its, stderr=its, env=colours):
        os.close(its)
        written, ends = b"", time.monotonic() + 300
        while time.monotonic() < ends and select.select([ours], [], [], 300)[0]:
            try:
                written += os.read(ours, 65536)
            except OSError:  # the command is over
                break
            if screens and written.count(HOME) > screens:
                os.write(ours, b"q")
                screens = 0
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def drawn(name: str, command: str, text: str) -> None:
    """Write the terminal's text as an SVG, without the fonts that rich would fetch."""
    console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, color_system="truecolor")
    left = text.rpartition("\x1b[2K")[2]  # after the last line that was erased, such as a spinner's
    shown = Text.from_ansi(left.strip("\n"))
    shown.rstrip()
    console.print(Text("$ " + command, style="bold"), shown, sep="\n")
    svg = console.export_svg(title=command, unique_id=name)
    kept(f"{name}.svg", re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).encode())


def shot(name: str, page: Path, *, width: int, height: int, at: str = "") -> None:
    """Write what a browser shows of a page, from an element on, in no more colours than it needs."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        view.goto(page.as_uri())
        if at:
            view.locator(at).first.evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + scrollY - 60)")
        view.wait_for_timeout(500)
        view.screenshot(path=f"{name}.png")
        browser.close()
    paletted(f"{name}.png", Image.open(f"{name}.png"))


def paletted(name: str, picture: Image.Image) -> None:
    """Keep a picture with as many colours as fit the limit."""
    for colours in (256, 128, 64, 32):
        picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(name, optimize=True)
        if Path(name).stat().st_size < LARGEST:
            break
    kept(name, Path(name).read_bytes())


def kept(name: str, content: bytes) -> None:
    """Write a picture of the docs."""
    if len(content) > LARGEST:
        raise ValueError(f"{name}: must be under {LARGEST} bytes, got {len(content)}")
    (HERE / name).write_bytes(content)
    print(f"{name}: {len(content) // 1000} kB", flush=True)


def plan() -> None:
    """The plan of the demo before anything ran."""
    drawn("plan", "distilpose plan losses --profile tiny", typed("plan", *DEMO, "--runs", "none"))


def status() -> None:
    """The live view, one screen of it."""
    screen = typed("status", *DEMO, "--watch", screens=3)
    drawn("status", "distilpose status losses --profile tiny --watch", max(screen.split(HOME.decode()), key=len))


def report() -> None:
    """The first screen of the report."""
    distilpose("report", *DEMO)
    shot("report", Path("runs/reports/losses.tiny/report.html").resolve(), width=1280, height=900)


def notebook() -> None:
    """The notebook with its outputs, and a screen of it on the site."""
    file = ROOT / "docs" / "notebook.ipynb"
    content = nbformat.read(file, as_version=4)
    NotebookClient(content, timeout=900, record_timing=False, coalesce_streams=True).execute()
    nbformat.write(content, file)
    subprocess.run(
        ["mkdocs", "build", "--strict", "--quiet", "--site-dir", Path("site").resolve()], check=True, cwd=ROOT
    )
    shot("notebook", Path("site/notebook/index.html").resolve(), width=1100, height=1000, at="#results")


def poses() -> None:
    """A drawn person in its box, and where the token of a joint looks: by the demo's row `all`."""
    run_id = str(best("all")["run_id"])
    distilpose("data", "synthetic", "people", "--train", "1", "--val", "1", "--style", "studio")
    distilpose(
        "predict", "people/images/val", "--weights", run_id, "--boxes", "people/annotations/val.json",
        "--attention", "left_knee", "--out", "predictions",
    )  # fmt: skip
    for name, glob in (("skeleton", "0001-*.png"), ("attention", "0001-*.attention-1.png")):
        found = min(Path("predictions/pictures").glob(glob), key=lambda file: len(file.name))
        paletted(f"{name}.png", Image.open(found))


def rows() -> None:
    """Of all rows on one person the first, and the last two: all, and the teacher."""
    distilpose("explain", "--sweep", *DEMO, "--image", "1201", "--out", "explained")
    (found,) = Path("explained").glob("*.png")
    sheet = Image.open(found).convert("RGB")
    title, row = 90, 232  # pixels: what stands above the columns' names, and the height of a row
    end = title + 18 + row
    both = Image.new("RGB", (sheet.width, sheet.height - title - 6 * row), "white")
    both.paste(sheet.crop((0, title, sheet.width, end)))
    both.paste(sheet.crop((0, end + 6 * row, *sheet.size)), (0, end - title))
    paletted("rows.png", both)


def best(row: str) -> "pd.Series[object]":
    """The run of a row that measured best."""
    results = dp.results("runs", "losses.tiny").query("row == @row")
    return results.loc[results["PCK@0.1"].idxmax()]


PICTURES: dict[str, Callable[[], None]] = {
    "plan": plan, "status": status, "report": report, "notebook": notebook, "poses": poses, "rows": rows,
}  # fmt: skip


def main() -> None:
    """Make those that are named, or all."""
    parser = argparse.ArgumentParser(description="Make the pictures of the docs from the demo's runs.")
    parser.add_argument("names", nargs="*", choices=[*PICTURES, []], metavar="NAME", help="all by default")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where `distilpose demo` left its runs")
    given = parser.parse_args()
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        shutil.copytree(given.runs, Path(folder, "runs"))
        os.chdir(folder)
        for name in given.names or PICTURES:
            PICTURES[name]()


if __name__ == "__main__":
    main()
