"""The built wheel as a user has it: installed apart from this checkout, used in a folder of their own."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

Installed = Callable[..., tuple[int, str, str]]
"""The installed command: its exit code, what it prints, and what it tells the user."""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `distilpose` command of an environment with the wheel and with this one's other packages."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: nothing here builds a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        uv,
        "build",
        "--wheel",
        "--offline",
        "--quiet",
        "--out-dir",
        str(folder),
        str(Path(__file__).resolve().parents[1]),
    ]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"uv cannot build a wheel without the network: {built.stderr.strip()[-300:]}")
    place = folder / "environment"
    subprocess.run(
        [uv, "venv", "--quiet", "--offline", "--python", shutil.which("python") or "3.11", place], check=True
    )
    python = place / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "pip", "install", "-q", "--offline", "--no-deps", "--python", python, wheel], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    # A path file of another folder is not followed: this checkout stays out of sight.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    where = (
        "import distilpose, experiments, reports; print(distilpose.__file__, experiments.__file__, reports.__file__)"
    )
    found = subprocess.run([python, "-P", "-c", where], capture_output=True, text=True, check=True, cwd=folder)
    assert found.stdout.count(str(packages)) == 3
    return place / "bin" / "distilpose"


@pytest.fixture
def installed_distilpose(installed: Path, tmp_path: Path) -> Installed:
    """The command of the installed wheel in a user's folder, which has an `experiments` package of its own."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()

    def run(*arguments: object) -> tuple[int, str, str]:
        environment = {**os.environ, "WANDB_MODE": "disabled", "PYTHONPATH": ""}
        command = [installed, *map(str, arguments)]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    return run
