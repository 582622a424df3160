import platform
import subprocess
from pathlib import Path

import pytest

from experiments import provenance


def test_versions_and_hardware_are_those_of_this_process() -> None:
    found = provenance.provenance()
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"]
    assert found["cpu"]
    assert found["cores"] >= found["threads"] >= 1


def test_the_commit_is_gits_and_changes_to_tracked_files_make_it_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", ".")
    git("commit", "-qm", "first")
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.code_state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "beside").write_text("not tracked")
    assert provenance.code_state()["dirty"] is False
    (tmp_path / "file").write_text("two")
    assert provenance.code_state()["dirty"] is True


def test_an_installed_package_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    assert provenance.code_state() == {"commit": None, "dirty": None}
