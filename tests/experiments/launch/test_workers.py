"""Workers share a plan: each takes free cohorts, and leaves once every run that is left has a worker."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import Said
from small_sweeps import MINI, small_plan

from experiments.cli.launch import worker_words
from experiments.cli.work import END, hours_left
from experiments.launch.inline import InlineHandle, InlineLauncher
from experiments.launch.local import LocalLauncher
from experiments.launch.neighbours import Neighbours, Tenant
from experiments.launch.packing import Peaks, Room
from experiments.launch.protocol import Slot, Wish
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.launch.sharing import Devices
from experiments.launch.workers import seconds_until, start_workers
from experiments.runs.job import PREEMPTED
from experiments.runs.lease import process_start
from experiments.runs.store import Store

HERE = Path(__file__).parents[1]
GIB = 2**30
# Does a job as its fellow does, and says that it was started.
TOLD = """\
import sys
from pathlib import Path
import fake_job
job = Path(sys.argv[1])
with (job.parent.parent / "told").open("a") as told:
    print(job.name.partition("-")[0], file=told)
sys.exit(fake_job.main(job))
"""


def work(folder: Path, *, slow: bool = True, stay: bool = False) -> Outcome:
    """What a worker did of a small plan of five cohorts."""
    store = Store(folder / "runs")
    store.root.mkdir(exist_ok=True)
    if slow:
        (store.root / "slow").write_text("0.1")
    settings = LaunchSettings(
        data_root=lambda data: Path(str(data.root)),
        poll_seconds=0.01,
        progress_seconds=0.0,
        neighbours=Neighbours(folder / "gpus"),
        stay=stay,
    )
    launcher = LocalLauncher([Slot()], command=(sys.executable, "-c", TOLD))
    return launch_plan(small_plan(folder, max_cohort=1), store, launcher, settings)


def beside(folder: Path, words: str = "") -> "subprocess.Popen[str]":
    """Another worker, in a process of its own."""
    program = f"import sys; from pathlib import Path; import test_workers as t\nt.work(Path(sys.argv[1]){words})"
    paths = os.pathsep.join([str(HERE), str(HERE / "launch")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment, text=True)


@pytest.fixture(autouse=True)
def jobs_find_their_fellow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def test_workers_start_each_cohort_once_and_finish_the_plan(tmp_path: Path) -> None:
    with beside(tmp_path, ", stay=True") as one, beside(tmp_path, ", stay=True") as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    plan = small_plan(tmp_path, max_cohort=1)
    started = (tmp_path / "runs" / "told").read_text().split()
    assert Counter(started) == Counter(cohort.cohort_id for cohort in plan.cohorts)
    store = Store(tmp_path / "runs")
    assert set(store.states(plan.runs).values()) == {"finished"}


def test_a_worker_leaves_when_others_have_all_that_is_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    plan = small_plan(tmp_path, max_cohort=1)
    (teacher,) = plan.teachers
    claims = [store.claim_cohort(cohort.cohort_id) for cohort in plan.cohorts if teacher.run_id not in cohort.run_ids]
    assert None not in claims
    outcome = work(tmp_path, slow=False)
    assert (outcome.finished, outcome.complete) == ({teacher.run_id}, False)
    for claim in claims:
        assert claim is not None
        claim.release()
    assert work(tmp_path, slow=False).complete


def test_what_a_dead_worker_had_goes_to_another(tmp_path: Path) -> None:
    with beside(tmp_path) as one:
        deadline = time.monotonic() + 30
        while not (tmp_path / "runs" / "told").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        one.kill()
    assert work(tmp_path, slow=False, stay=True).complete


class Known(Peaks):
    """Every process needs a GiB."""

    def __init__(self) -> None:
        pass

    def expected(self, run_ids: Collection[str], device: str) -> int:
        return GIB

    running = expected


@pytest.mark.parametrize(
    ("gib", "theirs", "fits"),
    [
        (4, [], True),
        (4, [Tenant("GPU-1", GIB)], True),
        (2, [Tenant("GPU-1", GIB)], False),
        (2, [Tenant("GPU-2", GIB)], True),
        (4, [Tenant("GPU-1", None)], False),
        (80, [Tenant("GPU-1", GIB)] * 2, True),
        (80, [Tenant("GPU-1", GIB)] * 3, False),  # as many processes as a GPU may have
    ],
)
def test_launches_of_one_machine_share_a_gpu_by_memory(
    tmp_path: Path, gib: int, theirs: list[Tenant], fits: bool
) -> None:
    slot, room = Slot(device="cuda:0"), Room(total=gib * GIB, free=gib * GIB, gpu="GPU-1")
    neighbours = Neighbours(tmp_path)
    devices = Devices([slot] * 3, lambda slot: room, Known(), neighbours)
    neighbours.tell(theirs)
    another(tmp_path)
    with devices.meeting():
        assert devices.fit(("a",), slot, []) is fits
    devices.tell([(slot, ("a", "b"))])
    another(tmp_path)
    with devices.meeting():
        assert devices.fit(("c",), slot, []) is (gib > 2)


def another(folder: Path) -> None:
    """Make what this process said the word of another that lives."""
    parent = os.getppid()
    for file in folder.glob(f"{os.getpid()}.json"):
        said = {**json.loads(file.read_text()), "pid": parent, "started": process_start(parent)}
        file.rename(folder / f"{parent}.json").write_text(json.dumps(said))


def test_what_an_ended_launch_said_of_its_gpus_is_void(tmp_path: Path) -> None:
    neighbours, mine = Neighbours(tmp_path), [Tenant("GPU-1", GIB), Tenant("GPU-2", None)]
    neighbours.tell(mine)
    (file,) = tmp_path.glob("*.json")
    with neighbours.meet() as others:
        assert others == []  # our own
    said = json.loads(file.read_text())
    alive = tmp_path / "1.json"
    alive.write_text(json.dumps(said))
    (tmp_path / "2.json").write_text(json.dumps({**said, "started": "long ago"}))
    (tmp_path / "3.json").write_text("[]")
    with neighbours.meet() as others:
        assert others == mine
    assert sorted(tmp_path.glob("*.json")) == sorted([file, alive])
    neighbours.tell([])
    assert not file.exists()


NOW = datetime(2026, 11, 22, 18, 0)


@pytest.mark.parametrize(
    ("text", "hours"), [("18:30", 0.5), ("17:30", 23.5), ("2026-11-23T08:00", 14), ("2026-11-22 18:00:36", 0.01)]
)
def test_a_time_is_the_next_one_of_its_kind(text: str, hours: float) -> None:
    assert seconds_until(text, NOW) == pytest.approx(3600 * hours)


@pytest.mark.parametrize(("given", "gpus"), [("4gpu", 4), ("8", 8)])
def test_a_worker_has_as_many_gpus_as_are_said(given: str, gpus: int) -> None:
    assert Wish(jobs=3).of_workers(given) == Wish(jobs=3, processes=gpus)
    assert Wish().of_workers(given).jobs == 1


@pytest.mark.parametrize(
    ("wish", "given", "told"),
    [
        (Wish(), "0gpu", "--with worker=0gpu: must be the GPUs of a worker, such as 4gpu"),
        (Wish(), "many", "--with worker=many: must be"),
        (Wish(processes=2), "4gpu", "--gpus-per-run 2"),
    ],
)
def test_what_is_no_worker_is_refused(wish: Wish, given: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        wish.of_workers(given)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-11-21T08:00", "8"])
def test_what_is_no_time_or_over_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--until"):
        seconds_until(text, NOW)


def test_an_allocation_ends_the_work_a_minute_early(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hours_left(None) is None
    monkeypatch.setenv(END, str(int(time.time()) + 3660))
    assert hours_left(None) == pytest.approx(1, abs=0.01)


class Lost(InlineLauncher):
    """Its first place is lost before anything is done."""

    losses = 1

    def start(self, job: Path, slot: Slot) -> InlineHandle:
        if self.losses:
            self.losses -= 1
            return InlineHandle(PREEMPTED)
        return super().start(job, slot)


def test_a_worker_whose_machine_was_lost_is_started_again(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def begin(file: Path, should_stop: object) -> int:
        seen.append(json.loads(file.read_text()))
        return 0

    assert start_workers(Lost(work=begin), tmp_path, ["losses", "--seeds", "0"], poll_seconds=0.01) == [0]
    assert seen == [["losses", "--seeds", "0"]]


def test_what_a_launch_was_asked_for_its_workers_do_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini.yaml").write_text(MINI)
    options: dict[str, Any] = dict.fromkeys(("workers", "cache", "changes", "name"))
    words = worker_words(
        "mini.yaml", "tiny", Path("people"), Path("runs"),
        device="cpu", track=["none"], retry_failed=True, rows=["none,all"], seeds="0,1", **options,
    )  # fmt: skip
    given = [f"{tmp_path}/mini.yaml", "--profile", "tiny", "--data", f"{tmp_path}/people", "--runs", f"{tmp_path}/runs"]
    chosen = ["--device", "cpu", "--seeds", "0,1", "--track", "none", "--rows", "none,all", "--retry-failed"]
    assert words == [*given, *chosen]


def test_a_time_that_cannot_be_read_is_told(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").write_text(MINI)
    code, out, error = distilpose("work", tmp_path / "mini.yaml", "--runs", tmp_path / "runs", "--until", "noon")
    assert (code, "--until: must be a time such as 18:30 or 2026-11-30T08:00, got 'noon'" in error) == (2, True), out
