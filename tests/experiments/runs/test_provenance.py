import hashlib
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.runs import provenance

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """A repository of one commit that stands for ours."""
    root = tmp_path / "code"

    def run(*arguments: str, where: Path = root) -> str:
        command = ["git", "-C", str(where), "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    (root / "distilpose").mkdir(parents=True)
    (root / "distilpose" / "file.py").write_text("one\n")
    run("init", "-q")
    run("add", ".")
    run("commit", "-qm", "first")
    monkeypatch.setattr(provenance, "_ROOT", root)
    return run


def test_versions_and_hardware_are_those_of_this_process(tmp_path: Path) -> None:
    found = provenance.provenance(tmp_path)
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"]
    assert found["cpu"]
    assert found["cores"] >= found["threads"] >= 1
    assert found["memory_bytes"] > 10**8
    installed = provenance.kept_file(tmp_path, found["environment"], ".txt").read_text()
    assert f"torch=={found['packages']['torch']}\n" in installed
    assert hashlib.sha256(installed.encode()).hexdigest() == found["environment"]


def test_code_as_committed_has_no_diff(git: Git, tmp_path: Path) -> None:
    assert provenance.code_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False, "diff": None}
    (tmp_path / "code" / "beside").write_text("not of our packages")
    assert provenance.code_state(tmp_path)["dirty"] is False
    assert not (tmp_path / "provenance").exists()


def test_commit_and_diff_make_the_code_again(git: Git, tmp_path: Path) -> None:
    code = tmp_path / "code" / "distilpose"
    (code / "file.py").write_text("two\n")
    (code / "new.py").write_text("not known to git\n")
    state = provenance.code_state(tmp_path / "runs")
    assert state["dirty"] is True
    git("clone", "-q", str(tmp_path / "code"), str(tmp_path / "again"))
    git("checkout", "-q", state["commit"], where=tmp_path / "again")
    git("apply", str(provenance.kept_file(tmp_path / "runs", state["diff"], ".diff")), where=tmp_path / "again")
    for name in ("file.py", "new.py"):
        assert (tmp_path / "again" / "distilpose" / name).read_text() == (code / name).read_text()


def test_the_same_difference_is_kept_once(git: Git, tmp_path: Path) -> None:
    (tmp_path / "code" / "distilpose" / "file.py").write_text("two\n")
    first, second = provenance.code_state(tmp_path), provenance.code_state(tmp_path)
    assert first == second
    assert len(list((tmp_path / "provenance").iterdir())) == 1


def test_an_installed_package_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.code_state() == {"commit": None, "dirty": None, "diff": None}
