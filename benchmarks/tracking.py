"""Finished runs sent to a W&B server: sixteen at a time against one after the other, near by and far away.

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

from benchmarks.measure import Figure, Settings, seconds_of, timing
from benchmarks.report_growth import write_store
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from experiments.track.replay import TOGETHER, replay_sweep
from experiments.track.sent import NAME
from experiments.track.wandb.tracker import Wandb

RUNS, QUICK_RUNS = 100, 4
AWAY_SECONDS = 0.1
AIM = 10.0
KEY = "local" + "0" * 40


def figures(settings: Settings) -> Iterator[Figure]:
    """Once each: a round of a hundred runs takes minutes."""
    count = QUICK_RUNS if settings.quick else RUNS
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "runs"
        plan = SavedPlan.from_json(write_store(root, count, rows=count))
        for away in (0.0, AWAY_SECONDS):
            seconds = {}
            for together in (1, TOGETHER):
                with (
                    _server(Path(directory) / f"server-{away}-{together}") as port,
                    _relay(port, away) as front,
                    patch.dict(os.environ, WANDB_BASE_URL=f"http://127.0.0.1:{front}", WANDB_API_KEY=KEY),
                ):
                    for noted in root.glob(f"*/{NAME}"):
                        noted.unlink()
                    for files in root.glob("*/wandb"):
                        shutil.rmtree(files)
                    seconds[together] = seconds_of(lambda together=together: _send(root, plan, together, count))  # type: ignore[misc]
            yield Figure(
                what=f"{count} finished runs sent to W&B, {TOGETHER} at a time, an answer {away:g} s away",
                against="one after the other",
                ratios=(seconds[1] / seconds[TOGETHER],),
                aim=AIM,
                note=f"{timing([seconds[1]])}, {timing([seconds[TOGETHER]])}",
            )


def _send(root: Path, plan: SavedPlan, together: int, count: int) -> None:
    done = [told.what for told in replay_sweep(Store(root), plan, Wandb(mode="online"), together=together)]
    assert done == ["told"] * count, done


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """The port of a fresh server."""
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
        yield port
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
    front.close()
    loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)] and None)
    loop.call_soon_threadsafe(lambda: loop.call_later(0.1, loop.stop))
    thread.join()
