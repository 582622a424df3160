import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from distilpose.whole_files import FencedError, write_whole
from experiments.runs import lease as lease_module
from experiments.runs.lease import Lease, LeaseLostError, Watch, acquire, holder

CLAIM = """
import sys, time
from pathlib import Path
from experiments.runs.lease import acquire

lease = acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


class Clock:
    """Goes on when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pretend(lease: Lease, **facts: str) -> None:
    """Let the holder be another process than this."""
    path = lease.aside.with_name("owner.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def elsewhere(directory: Path) -> Lease:
    """A lease that a process on another machine holds."""
    lease = acquire(directory)
    assert lease is not None
    pretend(lease, machine="another", host="another")
    return lease


def evicted(watch: Watch, clock: Clock, directory: Path, *, seconds: float, every: float = 1.0) -> bool:
    """Whether watching for a while throws the holder out."""
    for _ in range(int(seconds / every)):
        if watch.evict(directory):
            return True
        clock.now += every
    return watch.evict(directory)


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
    lease = acquire(tmp_path)
    assert lease is not None
    pretend(lease, started="1")
    assert acquire(tmp_path) is not None


def test_a_holder_on_another_machine_is_evicted_after_a_silence_and_not_before(tmp_path: Path) -> None:
    first, clock = elsewhere(tmp_path), Clock()
    watch = Watch(timeout=20, clock=clock)
    assert not evicted(watch, clock, tmp_path, seconds=19)
    assert acquire(tmp_path) is None
    assert first.held
    assert evicted(watch, clock, tmp_path, seconds=2)
    with pytest.raises(LeaseLostError, match="is lost"):
        first.check()
    second = acquire(tmp_path)
    assert second is not None
    first.release()  # must not free what is not its own
    assert second.held
    assert acquire(tmp_path) is None


def test_a_heartbeat_keeps_a_lease_whatever_the_clocks_of_the_day_say(tmp_path: Path) -> None:
    lease, clock = elsewhere(tmp_path), Clock()
    watch = Watch(timeout=20, clock=clock)
    for jump in (0, -1e8, 1e8, -5, 5):  # seconds by which the clock that stamps the heartbeat is wrong
        stamp = time.time() + jump
        os.utime(lease.aside.with_name("owner.json"), (stamp, stamp))
        assert not evicted(watch, clock, tmp_path, seconds=15)
    assert lease.held


def test_a_watcher_that_slept_gives_the_holder_time_to_beat(tmp_path: Path) -> None:
    elsewhere(tmp_path)
    clock = Clock()
    watch = Watch(timeout=20, clock=clock)
    assert not evicted(watch, clock, tmp_path, seconds=0)
    clock.now += 3600
    assert not watch.evict(tmp_path)
    assert not evicted(watch, clock, tmp_path, seconds=14)
    assert evicted(watch, clock, tmp_path, seconds=2)


def test_a_living_process_that_never_beats_is_evicted_on_its_own_machine_too(tmp_path: Path) -> None:
    lease, clock = acquire(tmp_path), Clock()
    assert lease is not None
    assert evicted(Watch(timeout=20, clock=clock), clock, tmp_path, seconds=21)
    assert not lease.held


def test_a_holder_whose_words_are_damaged_is_watched_like_any_other(tmp_path: Path) -> None:
    lease, clock = acquire(tmp_path), Clock()
    assert lease is not None
    lease.aside.with_name("owner.json").write_text("{")
    assert acquire(tmp_path) is None
    assert evicted(Watch(timeout=20, clock=clock), clock, tmp_path, seconds=21)
    assert acquire(tmp_path) is not None
    assert not lease.held


def test_the_heartbeat_is_a_change_that_a_watcher_sees(tmp_path: Path) -> None:
    lease = acquire(tmp_path)
    assert lease is not None
    file = lease.aside.with_name("owner.json")
    os.utime(file, (0, 0))
    lease.start_heartbeat(0.001)
    deadline = time.monotonic() + 5
    while file.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert file.stat().st_mtime > 0
    lease.release()
    assert not lease.held


def test_a_holder_that_was_replaced_between_two_instructions_cannot_put_its_file_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, clock = elsewhere(tmp_path / "lease"), Clock()
    watch = Watch(timeout=20, clock=clock)
    replace = Path.replace

    def paused(self: Path, target: Path) -> Path:
        assert evicted(watch, clock, tmp_path / "lease", seconds=21)
        assert acquire(tmp_path / "lease") is not None
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", paused)
    with pytest.raises(FencedError):
        write_whole(tmp_path / "file", "mine", aside=first.aside)
    assert not (tmp_path / "file").exists()


def test_a_claimant_that_overslept_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = lease_module._claim

    def sleepy(directory: Path, owner: lease_module.Owner) -> bool:
        monkeypatch.undo()
        for _ in range(3):  # others come and go
            lease = acquire(directory)
            assert lease is not None
            lease.release()
        return claim(directory, owner)

    monkeypatch.setattr(lease_module, "_claim", sleepy)
    assert acquire(tmp_path) is None
    lease = acquire(tmp_path)
    assert lease is not None
    assert lease.token == 4
    assert [path.name for path in tmp_path.iterdir()] == ["00000004"]


def test_a_claimant_that_saw_a_free_lease_does_not_take_it_from_a_quicker_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = lease_module._look
    quicker: list[Lease | None] = []

    def slow(directory: Path, token: int) -> object:
        seen = look(directory, token)
        monkeypatch.undo()
        quicker.append(acquire(directory))
        return seen

    monkeypatch.setattr(lease_module, "_look", slow)
    assert acquire(tmp_path) is None
    assert quicker[0] is not None
    assert quicker[0].held


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
