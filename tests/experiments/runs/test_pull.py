"""Runs fetched from another machine: a real sshd of this one, and rsync."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Said
from test_merge import A, B, begin, finish, plan_of, row_of

from experiments.runs.pull import pull
from experiments.runs.store import Store

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
needs_sshd = pytest.mark.skipif(
    SSHD is None or shutil.which("rsync") is None or shutil.which("ssh") is None or os.geteuid() != 0,
    reason="no sshd, ssh or rsync here, or not root: apt-get install openssh-server rsync",
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host that ssh reaches: a server of this machine with keys of its own."""
    assert SSHD is not None
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {tmp_path}/host", "StrictModes no",
        f"AuthorizedKeysFile {tmp_path}/user.pub", "PasswordAuthentication no", "PermitRootLogin yes",
        "UsePAM no", "PidFile none",
    ]  # fmt: skip
    (tmp_path / "sshd_config").write_text("\n".join(settings) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    with (tmp_path / "sshd.log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=log)
    options = f"-p {port} -i {tmp_path}/user -o BatchMode=yes -o StrictHostKeyChecking=no"
    monkeypatch.setenv("RSYNC_RSH", f"ssh {options} -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR")
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, (tmp_path / "sshd.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield "127.0.0.1"
    server.terminate()
    server.wait()


@pytest.fixture
def there(tmp_path: Path) -> Store:
    """A folder of runs with data, weights, and a link that leads out of it."""
    store = Store(tmp_path / "their runs")
    finish(store, A)
    begin(store, B)
    store.save_plan(plan_of(row_of("all", A, B)))
    (store.root / "data").mkdir()
    (store.root / "data" / "people.png").write_bytes(b"x" * 1000)
    (store.root / A / "log.txt").symlink_to("/etc/passwd")
    return store


@needs_sshd
def test_runs_are_fetched_without_data_and_checkpoints_and_with_them_when_asked(
    elsewhere: str, there: Store, tmp_path: Path
) -> None:
    here = Store(tmp_path / "runs")
    done = pull(f"{elsewhere}:{there.root}", here.root)
    assert sorted(done.added) == [A, B]
    assert Store(here.root).run(A).state() == "finished"
    assert here.load_plan("mini", "default") == there.load_plan("mini", "default")
    assert not here.run(A).weights.exists()
    assert not (here.root / "data").exists()
    assert not os.path.lexists(here.root / A / "log.txt")
    assert {path.name for path in here.root.iterdir()} == {A, B, "sweeps"}
    assert sorted(pull(f"{elsewhere}:{there.root}", here.root).kept) == [A, B]
    assert A in pull(f"{elsewhere}:{there.root}", here.root, checkpoints=True).completed
    assert here.run(A).weights.read_bytes() == b"weights"


@needs_sshd
def test_what_has_finished_since_takes_the_place_of_what_was_here(elsewhere: str, there: Store, tmp_path: Path) -> None:
    here = Store(tmp_path / "runs")
    pull(f"{elsewhere}:{there.root}", here.root)
    shutil.rmtree(there.root / B)
    finish(there, B, at=500)
    assert pull(f"{elsewhere}:{there.root}", here.root).replaced == [B]
    assert Store(here.root).run(B).state() == "finished"


@needs_sshd
def test_a_folder_that_is_not_there_is_one_message(
    distilpose: Callable[..., Said], elsewhere: str, tmp_path: Path
) -> None:
    code, _, err = distilpose("pull", f"{elsewhere}:{tmp_path}/nowhere", "--runs", tmp_path / "runs")
    assert code == 2
    assert "rsync could not fetch it" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("source", ["runs", "host:", ":runs", "-e sh:x", "host::module", "./a:b"])
def test_what_is_no_host_and_folder_is_refused(distilpose: Callable[..., Said], tmp_path: Path, source: str) -> None:
    code, _, err = distilpose("pull", "--runs", tmp_path / "runs", "--", source)
    assert code == 2
    assert "must be HOST:DIR" in err


def test_without_rsync_it_says_what_to_install(
    distilpose: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = distilpose("pull", "gpu1:runs", "--runs", tmp_path / "runs")
    assert code == 2
    assert "rsync: is not installed here" in err
