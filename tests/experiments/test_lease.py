import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.lease import LeaseLostError, acquire, holder

CLAIM = """
import sys, time
from pathlib import Path
from experiments.lease import acquire

lease = acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def _pretend_elsewhere(directory: Path, token: int, *, age: float) -> None:
    path = directory / f"{token:08d}"
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "another", "host": "another"}))
    os.utime(path, (time.time() - age,) * 2)


def test_one_claimant_holds_and_the_next_waits_until_it_is_given_back(tmp_path: Path) -> None:
    first = acquire(tmp_path / "lease")
    assert first is not None
    assert acquire(tmp_path / "lease") is None
    assert holder(tmp_path / "lease") == first.owner
    first.release()
    assert holder(tmp_path / "lease") is None
    second = acquire(tmp_path / "lease")
    assert second is not None
    assert second.token == first.token + 1


def test_a_killed_holder_on_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CLAIM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert acquire(tmp_path) is None
        process.kill()
        deadline = time.monotonic() + 5
        while holder(tmp_path) is not None and time.monotonic() < deadline:
            time.sleep(0.01)  # not reaped yet: a zombie holds nothing
        assert acquire(tmp_path) is not None


def test_a_later_process_with_the_same_id_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    assert acquire(tmp_path) is not None
    path = tmp_path / "00000001"
    path.write_text(json.dumps({**json.loads(path.read_text()), "started": "1"}))
    assert acquire(tmp_path) is not None


def test_a_silent_holder_on_another_machine_is_replaced_after_the_timeout(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    assert first is not None
    _pretend_elsewhere(tmp_path, 1, age=10)
    assert acquire(tmp_path, timeout=20) is None
    second = acquire(tmp_path, timeout=5)
    assert second is not None
    with pytest.raises(LeaseLostError, match="another process holds it"):
        first.check()
    first.release()  # must not free what is not its own
    assert second.held
    assert acquire(tmp_path) is None


def test_a_heartbeat_keeps_a_lease_alive_for_other_machines(tmp_path: Path) -> None:
    lease = acquire(tmp_path)
    assert lease is not None
    _pretend_elsewhere(tmp_path, 1, age=100)
    lease.start_heartbeat(0.01)
    time.sleep(0.1)
    assert holder(tmp_path, timeout=50) is not None
    lease.release()
    assert not lease.held


def test_of_many_claimants_at_once_one_wins(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    won: list[int] = []

    def claim() -> None:
        barrier.wait()
        lease = acquire(tmp_path)
        if lease is not None:
            won.append(lease.token)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]


def test_a_context_gives_the_lease_back(tmp_path: Path) -> None:
    lease = acquire(tmp_path)
    assert lease is not None
    with lease:
        assert lease.held
    assert acquire(tmp_path) is not None
