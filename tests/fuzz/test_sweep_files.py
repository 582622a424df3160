"""Sweep files with things in them that nobody would write: each is planned or refused in words, whatever it holds."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import distilpose

from experiments.sweep.sweep_file import SWEEPS
from experiments.sweep.yaml_nodes import read_yaml


class Raw(str):
    """YAML to be written as it stands."""

    __slots__ = ()


AXES: dict[str, Any] = {
    "grid": {"schedule.lr": [1e-3, 5e-4], "schedule": [{"gamma": 0.5}]},
    "zip": {"losses.KT": [1, 2], "student.depth": [1, 2]},
    "when": [{"given": {"losses.VT": [0]}, "grid": {"augmentation.flip": [0, 1]}}],
}
ODD_VALUES = [
    *(None, True, -1, 0, 1, 1.5, 1e308, -1e308, "", " ", "x" * 5000, "yes", "[key]", "../x", "\N{SNOWMAN}", "a\nb"),
    *([], {}, [[]], [None], [0, 0], [1, 2, 3], {"": None}, {"model": "sdpose_t"}, {"mmpose": {}}, {"[tuple]": [1]}),
    *(list(range(400)), [0.5] * 3000, {f"field{index}": index for index in range(300)}),
    *(Raw("1" + "0" * 30), Raw("1" * 5000), Raw("0x" + "f" * 50), Raw("1e999"), Raw(".nan"), Raw("-.inf"), Raw("1_0")),
    *(Raw("2020-01-01"), Raw("2020-99-99"), Raw("!!bool x"), Raw('!!int ""'), Raw("!!float x"), Raw("!!set {a}")),
    *(Raw("!!binary x"), Raw("!x y"), Raw("&a [*a]"), Raw("*a"), Raw("<<"), Raw("+_"), Raw("0b_"), Raw("-"), Raw("=")),
    *(Raw('"\\x00"'), Raw('"\\ud800"'), Raw('"\\e[2J"'), Raw("[" * 900 + "]" * 900), Raw("{a: " * 40 + "}" * 40)),
    *(Raw(f"&b [{'x,' * 99}]"), Raw("[&c [1,1], " + "".join(f"&c [{'*c,' * 9}*c], " for _ in range(12)) + "]")),
]
ODD_KEYS = [
    "",
    "[key]",
    "[/red]",
    "[TeacherChoice]",
    "x" * 3000,
    "a.b.c",
    ".",
    "schedule..lr",
    "model",
    "mmpose",
    "tpe",
]
ODD_TEXTS = [
    *(
        "\0",
        "\a",
        "\x1b",
        "\x7f",
        "\x85",
        "\ufeff",
        "\u2028",
        "\t",
        "\r",
        "\n",
        "\n\n---\n",
        "\n...\n",
        "\n%YAML 1.1\n",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!!int ",
        "! ",
        "|",
        ">-\n",
        "'",
        '"',
        "\\",
        "#",
        "@",
    ),
    *("%", "`", "~", "<<: ", "=", "\U0001f600", "e", "1", "-", "null", "{" * 50, "- " * 60, "? " * 60, "1" * 5000),
]


def _tiny(file: Path) -> dict[str, Any]:
    """A shipped sweep with its small profile alone."""
    sheet: dict[str, Any] = copy.deepcopy(read_yaml(file, file.name).plain)
    sheet["profiles"] = {"tiny": sheet["profiles"]["tiny"]}
    if "factors" not in sheet and "search" not in sheet:
        sheet["axes"] = AXES
        del sheet["baseline"]
    return sheet


SHEETS = [_tiny(file) for file in sorted(SWEEPS.glob("*.yaml"))]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping and list with each of its keys and positions."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _written(value: Any) -> str:
    """A value as YAML in one line; a key that ends in a NUL stands for the same key given again."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key.rstrip(chr(0)))}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, Raw) else json.dumps(value)


@st.composite
def sweep_texts(draw: st.DrawFn) -> str:
    """A shipped sweep with values deleted, retyped, renamed, given twice and moved, and its text spoilt."""
    sheet = copy.deepcopy(draw(st.sampled_from(SHEETS)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        places = list(_places(sheet))
        inside, key = places[draw(st.integers(0, len(places) - 1))]
        what = draw(st.sampled_from(["delete", "retype", "rename", "again", "move", "wrap"]))
        if what == "delete":
            del inside[key]
        elif what == "retype":
            inside[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        elif what == "move":
            other, from_key = places[draw(st.integers(0, len(places) - 1))]
            inside[key] = copy.deepcopy(other[from_key])
        elif what == "wrap":
            inside[key] = [inside[key]] if draw(st.booleans()) else {"x": inside[key]}
        elif isinstance(inside, dict) and what == "rename":
            inside[draw(st.sampled_from([*ODD_KEYS, *(place[1] for place in places if isinstance(place[1], str))]))] = (
                inside.pop(key)
            )
        elif isinstance(inside, dict):
            inside[f"{key}\0"] = inside[key]
        else:
            inside.append(inside[key])
    text = "\n".join(f"{json.dumps(key.rstrip(chr(0)))}: {_written(value)}" for key, value in sheet.items()) + "\n"
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 5, 50]))
        text = text[:start] + draw(st.sampled_from(ODD_TEXTS)) + text[start + length :]
    return text


@settings(max_examples=150, deadline=None)
@given(text=sweep_texts())
def test_any_sweep_file_is_planned_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    file = folder / "fuzzed.yaml"
    file.write_text(text, encoding="utf-8")
    code, said = distilpose("plan", file, "--runs", folder / "no-runs")
    assert code in (0, 2), said
    assert ("\nerror: " in f"\n{said}") == (code == 2)
    assert max(map(len, said.splitlines())) < 2000
    assert "Input should" not in said  # pydantic's words, not ours
