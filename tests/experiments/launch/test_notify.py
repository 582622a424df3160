"""Messages reach an address or a command, and never hold a launch up."""

import dataclasses
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from experiments.launch import notify
from experiments.launch.notify import Notifier, check_target
from experiments.launch.records import Outcome
from experiments.plan.plan import Plan
from experiments.runs.saved_plan import SavedDecision, SavedPlan, SavedUntil


class Server(ThreadingHTTPServer):
    """An address on this machine that keeps what it gets, and answers with `code` after `wait` seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[dict[str, Any]] = []
        self.code, self.wait = 200, 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/s3cret"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.wait)
        self.server.got.append({"path": self.path, "type": self.headers["Content-Type"], **json.loads(body)})
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def outcome(plan: Plan, **changed: Any) -> Outcome:
    values = {
        "total": 5,
        "finished": frozenset(list(plan.runs)[:4]),
        "running": {},
        "elsewhere": frozenset(),
        "failed": {},
        "blocked": frozenset(),
        "seconds": 1.0,
        "unfinished": frozenset(),
        "interrupted": False,
    }
    return Outcome(**(values | changed))


def with_verdict(plan: Plan, verdict: str) -> SavedPlan:
    decision = SavedDecision(verdict=verdict, seeds=3, wanted=3)  # type: ignore[arg-type]
    until = SavedUntil(margin=0.5, alpha=0.05, looks=(3,), decisions={"KT": decision})
    return dataclasses.replace(plan.saved(), until=until)


def test_a_failed_run_a_decided_row_and_the_end_are_posted_as_json(plan: Plan, server: Server) -> None:
    old, new = (run.run_id for run in plan.rows[0].runs)
    with Notifier([server.address], with_verdict(plan, "undecided")) as notifier:
        for failed in ({old: "long ago"}, {old: "long ago", new: "the lights went out"}):
            notifier.progress(outcome(plan, failed=failed))
        notifier.grown(with_verdict(plan, "better"))
        notifier.grown(with_verdict(plan, "better"))
        notifier.ended(outcome(plan, failed={new: "the lights went out"}))
    assert [one["event"] for one in server.got] == ["run failed", "row decided", "sweep ended"]
    first, second, last = server.got
    assert (first["run"], first["why"], first["sweep"], first["profile"]) == (
        new, "the lights went out", "small", "default",
    )  # fmt: skip
    assert first["type"] == "application/json"
    assert second["message"] == "small (default): KT is better"
    assert last["message"] == "small (default): ended unfinished: 4 of 5 runs finished, 1 failed"


def test_a_command_gets_the_text_in_its_environment_and_all_on_its_input(plan: Plan, tmp_path: Path) -> None:
    script, said = tmp_path / "tell.py", tmp_path / "said"
    script.write_text(
        "import os, pathlib, sys\n"
        f"pathlib.Path({str(said)!r}).write_text(os.environ['DISTILPOSE_MESSAGE'] + chr(10) + sys.stdin.read())\n"
    )
    with Notifier([f"{sys.executable} {script}"], plan.saved()) as notifier:
        notifier.ended(outcome(plan))
    text, body = said.read_text().splitlines()
    assert text == "small (default): is finished: 4 of 5 runs finished, 0 failed"
    assert json.loads(body)["message"] == text


def test_a_slow_address_holds_nothing_up_and_a_refusal_is_logged_without_it(
    plan: Plan, server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "SECONDS", 0.2)
    server.code, server.wait = 500, 1.0
    with caplog.at_level(logging.WARNING):
        began = time.monotonic()
        with Notifier([server.address, "false"], plan.saved()) as notifier:
            notifier.ended(outcome(plan))
            assert time.monotonic() - began < 0.5
    assert "--notify: a message was not taken" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_launch_that_breaks_off_is_told_of(plan: Plan, server: Server) -> None:
    with pytest.raises(ZeroDivisionError), Notifier([server.address], plan.saved()):
        raise ZeroDivisionError
    assert [one["message"] for one in server.got] == ["small (default): ended by ZeroDivisionError"]


@pytest.mark.parametrize(
    "target",
    ["ftp://host/s3cret", "https:///s3cret", "http:host/s3cret", "http://host:port/s3cret", "https://ho st/s3cret"],
)
def test_another_form_of_address_is_refused_and_not_repeated(target: str) -> None:
    with pytest.raises(ValueError, match="--notify: must be an address such as https://HOST/PATH") as error:
        check_target(target)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(("target", "said"), [("nosuchcommand --x", "'nosuchcommand'"), ("", "''"), ("a 'b", "No clo")])
def test_a_command_that_is_not_there_is_refused(target: str, said: str) -> None:
    with pytest.raises(ValueError, match="--notify") as error:
        check_target(target)
    assert said in str(error.value)


def test_addresses_and_commands_that_are_there_are_taken() -> None:
    for target in ("https://example.org/hook?key=1", "http://127.0.0.1:8080", f"{sys.executable} -c pass"):
        check_target(target)
