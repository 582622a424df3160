"""W&B's server: finished runs sent sixteen at a time against one after the other, and a training with an online mirror.

The server is openwandb, of the dependency group `servers`, on this machine; far away is a relay that holds every answer
back. By default openwandb hashes the key anew at each request, for a quarter of a second: here with fewer rounds.
"""

import asyncio
import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import psutil

from benchmarks.measure import Figure, Settings, ratios, seconds_of, timing
from benchmarks.report_growth import write_store
from benchmarks.subjects import TINY, step_of
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from experiments.track.card import RunCard
from experiments.track.courier import Courier
from experiments.track.replay import TOGETHER, replay_sweep
from experiments.track.sent import NAME
from experiments.track.tracker import Tracker
from experiments.track.wandb.tracker import Wandb

RUNS, QUICK_RUNS = 100, 4
SYNCED = 20  # runs that W&B's own command sends
AWAY_SECONDS = 0.1
AIM = 10.0
STEPS, QUICK_STEPS, LOG_EVERY, NUMBERS = 100, 5, 50, 10  # of a training in a round; as often as a run logs
MIRROR_AIM = 0.99
KEY = "local" + "0" * 40


def figures(settings: Settings) -> Iterator[Figure]:
    """Sending, once each, since a round of a hundred runs takes minutes; then the mirror, in turns."""
    with tempfile.TemporaryDirectory() as directory:
        for away in (0.0, AWAY_SECONDS)[settings.quick :]:
            yield from _sending(Path(directory) / f"{away:g}", QUICK_RUNS if settings.quick else RUNS, away)
        yield from _mirror(Path(directory) / "mirror", settings)


def _sending(folder: Path, count: int, away: float) -> Iterator[Figure]:
    root = folder / "runs"
    plan = SavedPlan.from_json(write_store(root, count, rows=count))
    seconds, cpu = {}, {}
    for together in (1, TOGETHER):
        for noted in root.glob(f"*/{NAME}"):
            noted.unlink()
        for files in root.glob("*/wandb"):
            shutil.rmtree(files)
        with _server(folder / f"server-{together}", away) as server:
            own = sum(os.times()[:4])
            seconds[together] = seconds_of(lambda together=together: _send(root, plan, together, count)) / count  # type: ignore[misc]
            cpu[together] = (_cpu(server) / count, (sum(os.times()[:4]) - own) / count)
    ways = {
        "one after the other": seconds[1],
        "`wandb sync` of each, one after the other": _synced(folder, min(count, SYNCED), away),
    }
    for against, other in ways.items():
        yield Figure(
            what=f"{count} finished runs sent to W&B, {TOGETHER} at a time, an answer {away:g} s away",
            against=against,
            ratios=(other / seconds[TOGETHER],),
            aim=AIM,
            note=f"a run: {timing([other])}, {timing([seconds[TOGETHER]])}; CPU of a run: "
            + "server {:.2f} s, here {:.2f} s".format(*cpu[TOGETHER]),
        )


def _synced(folder: Path, count: int, away: float) -> float:
    """Seconds that W&B's own command takes for a run's files."""
    root = folder / "files"
    plan = SavedPlan.from_json(write_store(root, count, rows=count))
    _send(root, plan, TOGETHER, count, Wandb(mode="offline"))
    files = list(root.glob("*/wandb/offline-run-*"))
    assert len(files) == count, files

    def sync() -> None:
        for run in files:  # it leaves logs in the working folder
            command = [sys.executable, "-m", "wandb", "sync", str(run)]
            subprocess.run(command, check=True, capture_output=True, cwd=folder)

    with _server(folder / "server", away):
        return seconds_of(sync) / count


def _mirror(folder: Path, settings: Settings) -> Iterator[Figure]:
    """Steps of the student of `tiny`, between the mirror's start and its end: seconds, and CPU of W&B's service too."""
    step = step_of(TINY.build_student("none"), TINY.random_batch(), lambda: None, row="none")  # type: ignore[arg-type, return-value]
    steps = QUICK_STEPS if settings.quick else STEPS
    card = RunCard(run_id="mirrored", name="mirrored", config={})
    service = Wandb(mode="online")
    with _server(folder, 0.0) as server, Courier(service.process) as courier:
        tracker = Tracker(card, run_dir=folder / "run", service=service, courier=courier)
        tracker.metrics(0, {"train/loss": 1.0})
        opened = threading.Event()
        courier.send(opened.set)
        opened.wait()
        aside = [child for child in psutil.Process().children() if child.pid != server.pid]
        number = 0

        def train(mirrored: bool) -> tuple[float, float]:
            nonlocal number
            cpu, began = time.process_time() + sum(map(_cpu, aside)), time.perf_counter()
            for _ in range(steps):
                step()
                number += 1
                if mirrored and number % LOG_EVERY == 0:
                    tracker.metrics(number, {f"train/{name}": 1 / number for name in range(NUMBERS)}, epoch=number)
            return time.perf_counter() - began, time.process_time() + sum(map(_cpu, aside)) - cpu

        train(True)
        rounds = [(train(False), train(True)) for _ in range(settings.rounds)]
        tracker.close("finished")
    for what, position in (("step", 0), ("step's CPU", 1)):
        plain, mirrored = ([way[position] / steps for way in ways] for ways in zip(*rounds, strict=True))
        yield Figure(
            what=f"a training {what} with an online W&B mirror, {NUMBERS} numbers each {LOG_EVERY} steps",
            against="without",
            ratios=ratios(plain, mirrored),
            aim=MIRROR_AIM,
            note=f"{timing(plain)}, {timing(mirrored)}",
        )


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    return float(sum(process.cpu_times()[:2]))


def _send(root: Path, plan: SavedPlan, together: int, count: int, service: Wandb | None = None) -> None:
    service = service or Wandb(mode="online")
    done = [told.what for told in replay_sweep(Store(root), plan, service, together=together)]
    assert done == ["told"] * count, done


@contextmanager
def _server(folder: Path, away: float) -> Iterator[psutil.Process]:
    """A fresh server, so far away, that W&B speaks to."""
    import bcrypt

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "openwandb", "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--data-dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if server.poll() is not None:
                raise ValueError("benchmark tracking: needs openwandb: uv sync --group servers")
            time.sleep(0.1)
        with closing(sqlite3.connect(folder / "openwandb.db")) as database, database:
            key = bcrypt.hashpw(KEY.encode(), bcrypt.gensalt(4)).decode()
            database.execute("update api_keys set key_hash = ?", (key,))
        with (
            _relay(port, away) as front,
            patch.dict(os.environ, WANDB_BASE_URL=f"http://127.0.0.1:{front}", WANDB_API_KEY=KEY),
        ):
            yield psutil.Process(server.pid)
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/")
            return bool(connection.getresponse())
    except OSError:
        return False


@contextmanager
def _relay(port: int, seconds: float) -> Iterator[int]:
    """A port behind which another is, so far away."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        with closing(writer):
            while content := await reader.read(1 << 16):
                await asyncio.sleep(wait)
                writer.write(content)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.CancelledError):
            await asyncio.gather(pipe(reader, to_behind, 0.0), pipe(behind, writer, seconds), return_exceptions=True)

    loop = asyncio.new_event_loop()
    front = loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield front.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(front.close)
    loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)] and None)
    loop.call_soon_threadsafe(lambda: loop.call_later(0.1, loop.stop))
    thread.join()
