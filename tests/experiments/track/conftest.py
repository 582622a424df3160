"""Real servers on this machine, each started once, and a proxy that spoils what goes to them."""

import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up_runs import KILLED, made_up_store

KEY = "local" + "0" * 40


@pytest.fixture
def store(tmp_path):
    return made_up_store(tmp_path / "runs")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start_server(command, log, port, **variables):
    """A server's process, once it answers."""
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **variables})
    for _ in range(1800):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/")
            connection.getresponse()
            return server
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


class OpenWandb:
    """The W&B server, and what it has in its database."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.server = None

    def start(self):
        command = [Path(sys.executable).parent / "openwandb", "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--data-dir", str(self.folder)]
        self.server = start_server(command, self.folder.with_suffix(".log"), self.port, HOME=str(self.folder.parent))
        self._cheapen_key()

    def stop(self):
        self.server.kill()
        self.server.wait()

    def rows(self, query, *values):
        with closing(sqlite3.connect(self.folder / "openwandb.db")) as database:
            return database.execute(query, values).fetchall()

    def numbers(self, run_id):
        """Every point of a run: (step, name, value), in order; one that came twice is there twice."""
        rows = self.rows(
            "select step, key, value from metrics where run_id = ? and key != 'epoch' and value is not null", run_id
        )
        return sorted(rows)

    def pictures(self, run_id):
        """A run's pictures as its pages show them: (step, contents), by the names in its history."""
        (folder,) = self.folder.glob(f"files/*/*/{run_id}")
        rows = map(json.loads, (folder / "wandb-history.jsonl").read_text().splitlines())
        shown = [(row["_step"], row["pictures/skeleton"]["path"]) for row in rows if "pictures/skeleton" in row]
        return [(step, (folder / path).read_bytes()) for step, path in shown]

    def _cheapen_key(self):
        """It hashes the key at each request, for a quarter of a second: hash it with fewer rounds."""
        import bcrypt

        cheap = bcrypt.hashpw(KEY.encode(), bcrypt.gensalt(4)).decode()
        with closing(sqlite3.connect(self.folder / "openwandb.db")) as database, database:
            database.execute("update api_keys set key_hash = ?", (cheap,))


@pytest.fixture(scope="session")
def openwandb_server(tmp_path_factory):
    server = OpenWandb(tmp_path_factory.mktemp("openwandb") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def openwandb(openwandb_server):
    """The W&B server without runs: it knows each id once, whatever the project."""
    with closing(sqlite3.connect(openwandb_server.folder / "openwandb.db")) as database, database:
        for table in ("metrics", "files", "artifacts", "runs"):
            database.execute(f"delete from {table}")
    shutil.rmtree(openwandb_server.folder / "files", ignore_errors=True)
    return openwandb_server


class Proxy:
    """Passes requests on to a server unless `spoil(method, path, body)` gives a status, or None for no answer at all.

    `mend(path, body, answer)` gives the body of the answer.
    """

    def __init__(self, port):
        self.calm()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.seen.append((self.command, self.path))
                status, content = proxy.spoil(self.command, self.path, body), b"{}"
                if status is None:
                    self.close_connection = True
                    return
                if status == 0:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding")}
                    own = f"127.0.0.1:{proxy.port}"  # so that files come this way too
                    try:
                        connection.request(self.command, self.path, body, {**headers, "Host": own})
                        answer = connection.getresponse()
                        status, content = answer.status, proxy.mend(self.path, body, answer.read())
                    except OSError:
                        self.close_connection = True
                        return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda request, client: None  # who hangs up
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def calm(self):
        self.seen = []
        self.spoil = lambda method, path, body: 0
        self.mend = lambda path, body, answer: answer


@pytest.fixture
def proxy(openwandb):
    proxy = Proxy(openwandb.port)
    yield proxy
    proxy.close()


@pytest.fixture
def at(monkeypatch, tmp_path):
    """Has W&B speak to a port of this machine."""

    def at(port):
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    return at


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    server = start_server(command, folder / "log", port, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    yield SimpleNamespace(uri=f"http://127.0.0.1:{port}", port=port, folder=folder)
    server.terminate()
    server.wait()


@pytest.fixture
def killed(store):
    """A process that mirrors a run to a tracker, and is killed in the middle; its run is `later`."""

    def killed(tracker):
        here = Path(__file__).parent
        command = [sys.executable, "-c", KILLED, str(store.root), tracker, str(here), str(here.parent)]
        done = subprocess.run(command, timeout=120, check=False)
        assert done.returncode == -9
        return store.run("later")

    return killed
