"""How YAML is read: what is refused, and where it says so."""

from pathlib import Path

import pytest

from experiments.sweep.yaml_nodes import MAX_BYTES, MAX_VALUES, Place, Problem, SpecError, read_yaml, shown


def _refused(folder: Path, text: str | bytes) -> str:
    file = folder / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        read_yaml(file, "x.yaml")
    return str(caught.value)


def _plain(folder: Path, text: str) -> object:
    file = folder / "x.yaml"
    file.write_text(text)
    return read_yaml(file, "x.yaml").plain


@pytest.mark.parametrize("character", ["\0", "\a", "\x1b", "\x7f", "\uffff"])
def test_a_control_character_is_refused_at_its_place(tmp_path: Path, character: str) -> None:
    rule = f"must have no control characters, got {character!r}"
    assert _refused(tmp_path, f"a: 1\nb: x{character}y\n") == f"x.yaml:2:5: {rule}"
    escaped = f"\\u{ord(character):04x}"
    assert _refused(tmp_path, f'a: 1\nb: "x{escaped}y"\n') == f"x.yaml:2:4: {rule}"
    assert _refused(tmp_path, f'a: 1\n"x{escaped}y": 1\n') == f"x.yaml:2:1: {rule}"


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    assert "must have no control characters, got '\\ud800'" in _refused(tmp_path, 'a: "\\ud800"')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!bool x", "1:4: must have no tag, got '!!bool'"),
        ('a: !!int ""', "1:4: must have no tag, got '!!int'"),
        ('a: !!float ""', "1:4: must have no tag, got '!!float'"),
        ("a: !!python/object:os.system [x]", "1:4: must have no tag, got '!!python/object:os.system'"),
        ("a: !!set {x, y}", "1:4: must have no tag, got '!!set'"),
        ("!!str a: 1", "1:1: must have no tag, got '!!str'"),
        ("a: 2020-01-01", "1:4: must be text, a number, true, false or null, got '2020-01-01'; in quotes it is text"),
        ("a: +_", "1:4: must be text, a number, true, false or null, got '+_'"),
        ("a: <<", "1:4: must be text, a number, true, false or null, got '<<'"),
        ("a: 9223372036854775808", "1:4: must be a number of at most 64 bits, got '9223372036854775808'"),
        ("[a]: 1", "1:1: a field's name must be text, got something else"),
        ("? {a: 1}\n: 2", "1:3: a field's name must be text, got something else"),
        ("a: 1\n---\nb: 2", "2:1: must be one YAML document, got another"),
        ("- a", "1:1: must be a mapping of fields, got something else or nothing"),
        ("", "1:1: must be a mapping of fields, got something else or nothing"),
        ("a: *b", "1:4: an alias must stand after the whole of what it names, got '*b'"),
        ("a: &b [*b]", "1:8: an alias must stand after the whole of what it names, got '*b'"),
        ("a: &b {c: *b}", "1:11: an alias must stand after the whole of what it names, got '*b'"),
        ("a: " + "[" * 800 + "]" * 800, "1:35: must be nested at most 32 levels deep, and is deeper here"),
    ],
)
def test_what_is_no_plain_value_is_refused_at_its_place(tmp_path: Path, text: str, problem: str) -> None:
    assert _refused(tmp_path, text).startswith(f"x.yaml:{problem}")


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    assert _plain(tmp_path, "a: &x {b: [1, &y 2]}\nc: *x\nd: [*y, *y]\n") == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": [2, 2],
    }


def test_an_anchor_given_again_stands_for_the_later_value_without_a_warning(tmp_path: Path) -> None:
    assert _plain(tmp_path, "a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_aliases_are_counted_as_what_they_stand_for(tmp_path: Path) -> None:
    laughs = "l0: &l0 [1, 1]\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 30))
    assert f"a file must have at most {MAX_VALUES:,} values, aliases counted each time" in _refused(tmp_path, laughs)
    deep = "l0: &l0 [1]\n" + "".join(f"l{n}: &l{n} [*l{n - 1}]\n" for n in range(1, 40))
    assert "must be nested at most 32 levels deep" in _refused(tmp_path, deep)


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    assert _refused(tmp_path, b"a: \xff") == "x.yaml:1:1: must be UTF-8 text: invalid start byte"
    large = b"#" * (MAX_BYTES + 1)
    assert _refused(tmp_path, large) == "x.yaml:1:1: must be a file of at most 4,000,000 bytes, got 4,000,001"


def test_a_value_is_shown_short() -> None:
    assert shown("x" * 118) == repr("x" * 118)
    assert shown("x" * 5000) == f"'{'x' * 59}...{'x' * 59}' (5,002 characters)"
    assert len(shown(list(range(10_000)))) < 200
    assert len(shown({"x" * 5000: 1})) < 200


def test_of_very_many_problems_the_first_are_shown() -> None:
    problems = [Problem("x.yaml", Place(line, 1), "", "wrong", ("row",)) for line in range(1, 151)]
    said = str(SpecError(problems)).splitlines()
    assert (len(said), said[0], said[-1]) == (101, "x.yaml:1:1: wrong (row 'row')", "... and 50 more")


def test_one_problem_of_very_many_rows_is_shown_once_and_soon() -> None:
    problems = [Problem("x.yaml", Place(1, 1), "lr", "wrong", (f"row {number}",)) for number in range(50_000)]
    assert str(SpecError(problems)) == "x.yaml:1:1: lr: wrong (row 'row 0' and 49999 more)"
