"""A report served on this machine while its sweep runs: made anew whenever a run begins, finishes, fails or validates.

Only this machine can ask (127.0.0.1), only by GET and HEAD, and only for the page and its version; no file is served.
"""

import hashlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any

from experiments.runs.store import Store
from reports.formats.page import page_html
from reports.numbers.sweep import aggregate
from reports.read.reader import RunReader
from reports.sections import SECTIONS, SectionMaker, make_sections
from reports.sections.verdict import opening

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MOST_CONNECTIONS = 64
ASK_SECONDS = 10.0  # in which a connection must have asked for something
ANSWER_SECONDS = 60.0  # in which an answer must be taken


class LiveReport:
    """The newest page of a planned sweep. The plan is read anew for every version, a finished run once."""

    def __init__(
        self,
        store: Store,
        sweep: str,
        profile: str,
        *,
        pictures: bool = True,
        sections: Sequence[SectionMaker] = SECTIONS,
    ) -> None:
        self._store, self._sweep, self._profile = store, sweep, profile
        self._pictures, self._sections = pictures, sections
        self._reader = RunReader(store)
        self._lock = Lock()
        self._drawn = ("", b"")

    def version(self) -> str:
        """A word that changes when the report would."""
        plan = self._store.load_plan(self._sweep, self._profile)
        told = hashlib.sha256(repr(plan).encode())
        for line in self._standing(plan.run_names):
            told.update(line.encode())
        return told.hexdigest()[:16]

    def _standing(self, run_ids: Iterable[str]) -> Iterator[str]:
        """Where every run stands: finished, or its state and the epoch it has reached."""
        for run in map(self._store.run, run_ids):
            state = run.state()
            if state in ("finished", "damaged"):
                yield f"{run.run_id} {state}\n"
                continue
            progress = run.progress()
            epoch = None if progress is None else progress.epoch
            yield f"{run.run_id} {state} {epoch} {run.failure}\n"

    def page(self) -> bytes:
        """The page of the present version; drawn once for each version."""
        with self._lock:
            version = self.version()
            if version != self._drawn[0]:
                numbers = aggregate(self._store, self._store.load_plan(self._sweep, self._profile), self._reader)
                sections = make_sections(numbers, self._sections, people=self._pictures)
                page = page_html(opening(numbers), sections, version=version)
                self._drawn = (version, page.encode())
            return self._drawn[1]


class LiveServer(ThreadingHTTPServer):
    """Serves one live report on the loopback address. Port 0 takes a free one; `address` says which.

    A connection is for one request. More than `MOST_CONNECTIONS` at a time are hung up, and those that do not ask.
    """

    daemon_threads = True

    def __init__(self, report: LiveReport, port: int = 0) -> None:
        self.report = report
        self._open: dict[socket, float] = {}  # by when each must have asked
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, where there is room for one."""
        if len(self._open) >= MOST_CONNECTIONS:
            super().shutdown_request(request)
            return
        self._open[request] = time.monotonic() + ASK_SECONDS
        super().process_request(request, client_address)

    def has_asked(self, request: socket) -> None:
        """The answer may take as long as it needs."""
        self._open[request] = float("inf")

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on those that have not asked in time; called twice a second."""
        for request, until in list(self._open.items()):
            if time.monotonic() > until:
                with suppress(OSError):  # it is over already
                    request.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.warning("a request could not be answered: %s: %s", type(error).__name__, error)

    @property
    def address(self) -> str:
        """Where the report is."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers `/` and `/version`, and nothing else."""

    server: LiveServer
    server_version, sys_version = "distilpose", ""
    timeout = ANSWER_SECONDS

    def do_HEAD(self) -> None:
        """What a GET would tell, without the page."""
        self.do_GET()

    def do_GET(self) -> None:
        """The page, or its version."""
        self.server.has_asked(self.connection)
        # A page elsewhere whose name was made to lead here would ask under that name: it gets nothing.
        names = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in names:
            self._answer(HTTPStatus.FORBIDDEN, b"ask by the address that was printed\n", "text/plain")
        elif self.path == "/":
            self._told(self.server.report.page, "text/html")
        elif self.path == "/version":
            self._told(lambda: self.server.report.version().encode(), "text/plain")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"only the report is here: /\n", "text/plain")

    def _told(self, make: Callable[[], bytes], kind: str) -> None:
        try:
            content = make()
        except Exception as error:  # a plan that is being replaced, a file that has gone: the next may be sound
            log.warning("the report could not be made: %s: %s", type(error).__name__, error)
            said = b"the report could not be made; the command says why\n"
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, said, "text/plain")
            return
        self._answer(HTTPStatus.OK, content, kind)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""


def serve(report: LiveReport, *, port: int, announce: Callable[[str], object]) -> None:
    """Serve until interrupted, after handing the address to `announce`. Port 0 takes a free one.

    Raises:
        ValueError: the port is taken.
    """
    try:
        server = LiveServer(report, port)
    except OSError as error:
        raise ValueError(f"port: {port} cannot be had on {HOST} ({error.strerror}); 0 takes a free one") from error
    with server:
        announce(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
