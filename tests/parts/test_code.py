"""What is part of a part's code, and what is not."""

from pathlib import Path

import pytest

from distilpose.losses.table import ASKS
from distilpose.parts.load import load_part
from distilpose.parts.reference import find_part
from distilpose.parts.signature import PartError, read_signature

LOSS = '''"""Losses."""
from helper import scale

def limbs(keypoints, true_keypoints, *, norm: str = "l1", power: float = 1, rows: tuple = (1, 2)):
    """Return a difference."""
    return scale((keypoints - true_keypoints).abs().mean())  # a comment
'''
HELPER = "def scale(x):\n    return 2 * x\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_losses.py").write_text(LOSS)
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


def digest(folder: Path) -> str:
    return find_part("my_losses.py:limbs", folder).digest


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("my_losses.py", LOSS.replace("a comment", "another")),
        ("my_losses.py", LOSS.replace("Return a difference", "Return it")),
        ("my_losses.py", LOSS.replace("(keypoints - true_keypoints)", "(keypoints  -  true_keypoints)")),
        ("other.py", "x = 2\n"),
        ("helper.py", "# twice\n" + HELPER),
    ],
)
def test_comments_docstrings_layout_and_files_not_imported_are_no_code(folder: Path, file: str, text: str) -> None:
    before = digest(folder)
    (folder / file).write_text(text)
    assert digest(folder) == before


@pytest.mark.parametrize(
    ("file", "text"),
    [("my_losses.py", LOSS.replace("mean", "sum")), ("helper.py", HELPER.replace("2 *", "3 *"))],
)
def test_maths_in_the_file_or_in_one_that_it_imports_is_code(folder: Path, file: str, text: str) -> None:
    before = digest(folder)
    (folder / file).write_text(text)
    assert digest(folder) != before


def test_a_module_of_a_package_has_the_code_of_its_package_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "my_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "losses.py").write_text(
        "from . import maths\nimport json\n\ndef limbs(keypoints):\n    return maths.f()\n"
    )
    (package / "maths.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    place = find_part("my_pkg.losses:limbs", tmp_path / "elsewhere")
    assert [file.name for file in place.files] == ["losses.py", "__init__.py", "maths.py"]
    kept = tmp_path / "kept" / place.digest
    place.keep_in(kept)
    (package / "maths.py").write_text("def f():\n    return 2\n")
    assert load_part(kept, "my_pkg.losses", "limbs")(None) == 1
    with pytest.raises(PartError, match=r"the kept code of my_pkg\.losses is not there"):
        load_part(tmp_path / "gone", "my_pkg.losses", "limbs")


def test_two_kept_copies_of_one_name_are_two_parts(folder: Path) -> None:
    found = []
    for factor in "23":
        (folder / "helper.py").write_text(HELPER.replace("2", factor))
        place = find_part("my_losses.py:limbs", folder)
        place.keep_in(folder / "kept" / place.digest)
        found.append(load_part(folder / "kept" / place.digest, "my_losses", "limbs"))

    class One:
        def __sub__(self, other: object) -> "One":
            return self

        def abs(self) -> "One":
            return self

        def mean(self) -> int:
            return 1

    assert [part(One(), One()) for part in found] == [2, 3]


def test_a_file_that_is_edited_while_it_is_kept_is_refused(folder: Path) -> None:
    place = find_part("my_losses.py:limbs", folder)
    planned = place.digest
    (folder / "helper.py").write_text(HELPER.replace("2", "5"))
    with pytest.raises(PartError, match="was changed while it was read"):
        place.keep_in(folder / "kept" / planned)
    assert list((folder / "kept").iterdir()) == []


def test_options_are_read_from_the_signature(folder: Path) -> None:
    signature = read_signature(folder / "my_losses.py", "limbs", ASKS)
    assert signature.asks == ("keypoints", "true_keypoints")
    assert signature.defaults() == {"norm": "l1", "power": 1.0, "rows": (1, 2)}
    assert signature.doc == "Return a difference."
    assert signature.complete({"power": 2}) == {"norm": "l1", "power": 2.0, "rows": (1, 2)}
    assert list(signature.faults({"nrom": "l2", "power": "x"})) == ["nrom", "power"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def limbs(x):\n    pass\n", "part.py:1: limbs: x: nothing of this name is given; an option needs a default"),
        ("def limbs(**more):\n    pass\n", "part.py:1: limbs: every parameter must have a name"),
        ("def limb(output):\n    pass\n", "part.py: must define 'limbs', did you mean limb?"),
        ("def limbs(:\n", "part.py:1: must be Python"),
        ("\0", "part.py: must be Python|part.py:1: must be Python"),
        ("def limbs(output, f=print):\n    pass\n", "limbs: f: the default must be a plain value"),
        ("class limbs:\n    pass\n", "part.py:1: limbs: a class needs a method `forward`"),
    ],
)
def test_a_part_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "part.py"
    file.write_text(text)
    with pytest.raises(PartError, match=message):
        read_signature(file, "limbs", ASKS)


@pytest.mark.parametrize("reference", ["nowhere.py:f", "no_such_package.x:f", "a b:f", "my_losses.py:", "../x.py:f"])
def test_a_reference_that_leads_nowhere_is_refused(folder: Path, reference: str) -> None:
    with pytest.raises(PartError, match="must"):
        find_part(reference, folder)
