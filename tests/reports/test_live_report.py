"""The live report: served to this machine alone, only the page, and renewed without losing the reader's place."""

import html
import http.client
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import pytest
from browser import PATIENCE, chromium, needs_chromium
from made_up_store import against, begin_run, run_name, write_run
from playwright.sync_api import expect

from experiments.runs.saved_plan import SavedPlan, SavedRun
from experiments.runs.store import Store
from reports.sections import SectionMaker
from reports.sections.results import results
from reports.sections.runs import runs
from reports.sections.unfinished import unfinished
from reports.watch import HOST, LiveReport, LiveServer, serve

Sweep = tuple[Store, SavedPlan]
FEW: tuple[SectionMaker, ...] = (results, unfinished, runs)


def ask(server: LiveServer, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """Status and text of one request, with the path sent as it is."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=180)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"{HOST}:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@pytest.fixture
def running(own_store: Sweep) -> Sweep:
    """Ten rows of one seed, of which the last two have not begun."""
    store, plan = own_store
    rows = [
        replace(plan.rows[0], name=f"row {place}", runs=(SavedRun(run_id=run_name(place, 0), seed=0),))
        for place in range(10)
    ]
    plan = against(replace(plan, rows=tuple(rows)), "row 0")
    for place in range(8):
        if not (store.root / run_name(place, 0)).exists():
            write_run(store.root, run_name(place, 0), role="student", row=f"row {place}", seed=0, ap=0.1 + place / 50)
    store.save_plan(plan)
    return store, plan


@pytest.fixture
def server(running: Sweep) -> Iterator[LiveServer]:
    store, plan = running
    report = LiveReport(store, plan.sweep, plan.profile, pictures=False, sections=FEW)
    with LiveServer(report) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_it_listens_on_the_loopback_address_alone(server: LiveServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_the_page_carries_its_version_and_asks_only_its_own_server(server: LiveServer) -> None:
    status, page = ask(server, "/")
    version = ask(server, "/version")[1]
    assert status == 200
    assert f'data-version="{version}"' in page
    assert "connect-src 'self'" in html.unescape(page)


@pytest.mark.parametrize(
    "path", ["/../sweeps/losses.tiny.json", "/%2e%2e/etc/passwd", "//etc/passwd", "/report.html", "/version/", "/?x"]
)
def test_nothing_else_is_served(server: LiveServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_else_can_be_asked(server: LiveServer, method: str) -> None:
    assert ask(server, "/", method=method)[0] == 501


def test_another_name_for_this_machine_gets_nothing(server: LiveServer) -> None:
    assert ask(server, "/", host="evil.example:80")[0] == 403
    assert ask(server, "/version", host=f"localhost:{server.server_port}")[0] == 200


def said(server: LiveServer, request: bytes) -> bytes:
    """All that is answered to these bytes."""
    with socket.create_connection((HOST, server.server_port), timeout=180) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_two_names_in_one_request_get_nothing_whichever_comes_first(server: LiveServer) -> None:
    mine, other = f"Host: {HOST}:{server.server_port}\r\n".encode(), b"Host: evil.example\r\n"
    for hosts in (mine + other, other + mine, mine + mine, b""):
        assert b" 403 " in said(server, b"GET /version HTTP/1.1\r\n" + hosts + b"\r\n").splitlines()[0]


def test_the_head_of_the_page_has_its_length_and_no_page(server: LiveServer) -> None:
    host = f"Host: {HOST}:{server.server_port}\r\n\r\n".encode()
    whole, head = (said(server, method + b" /version HTTP/1.1\r\n" + host) for method in (b"GET", b"HEAD"))
    assert b"Content-Length: 16" in head
    assert head.endswith(b"\r\n\r\n")
    assert whole.startswith(head[: head.index(b"Date")])


def test_a_browser_that_hangs_up_is_no_news(
    server: LiveServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    reset = struct.pack("ii", 1, 0)  # the connection ends as with a crash
    for request in (b"", b"GET / HT", f"GET / HTTP/1.1\r\nHost: {HOST}:{server.server_port}\r\n\r\n".encode()):
        with socket.create_connection((HOST, server.server_port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.sendall(request)
    assert ask(server, "/")[0] == 200
    assert capfd.readouterr().err == ""
    assert caplog.records == []


def test_connections_are_limited_and_those_that_do_not_ask_are_hung_up(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.watch.MOST_CONNECTIONS", 4)
    monkeypatch.setattr("reports.watch.ASK_SECONDS", 1.0)
    idle = [socket.create_connection((HOST, server.server_port), timeout=20) for _ in range(8)]
    for connection in idle[:4]:
        with suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    for connection in idle:
        with suppress(ConnectionError):
            assert connection.recv(1) == b""
        connection.close()
    assert time.monotonic() - began < 15
    assert ask(server, "/version")[0] == 200


@pytest.mark.parametrize("content", ["[]", "{}", '{"metric": 1, "rows": 3}', "{", ""])
def test_a_plan_that_is_none_is_said_and_does_not_end_the_server(
    server: LiveServer, running: Sweep, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (running[0].root / "sweeps" / "losses.tiny.json").write_text(content)
    assert [ask(server, path)[0] for path in ("/", "/version")] == [503, 503]
    assert "the report could not be made" in caplog.text


def test_a_port_that_is_taken_is_named(server: LiveServer) -> None:
    port = server.server_port
    with pytest.raises(ValueError, match=f"port: {port} cannot be had on {HOST}.*in use"):
        serve(server.report, port=port, announce=print)


def test_the_version_changes_when_a_run_begins_validates_or_finishes(running: Sweep) -> None:
    store, plan = running
    report = LiveReport(store, plan.sweep, plan.profile)
    versions = [report.version(), report.version()]
    begin_run(store.root, run_name(8, 0), role="student", row="row 8", seed=0, ap=0.3, epochs=6)
    versions.append(report.version())
    begin_run(store.root, run_name(8, 0), role="student", row="row 8", seed=0, ap=0.3, epochs=12)
    versions.append(report.version())
    write_run(store.root, run_name(8, 0), role="student", row="row 8", seed=0, ap=0.3)
    versions.append(report.version())
    assert versions[0] == versions[1]
    assert len(set(versions)) == 4


def test_a_plan_that_is_gone_is_said_and_does_not_end_the_server(server: LiveServer, running: Sweep) -> None:
    store, _ = running
    file = store.root / "sweeps" / "losses.tiny.json"
    kept = file.read_text()
    file.unlink()
    assert ask(server, "/")[0] == 503
    file.write_text(kept)
    assert ask(server, "/")[0] == 200


@needs_chromium
def test_a_reader_keeps_place_filter_and_order_when_a_run_finishes(server: LiveServer, running: Sweep) -> None:
    store, _ = running
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 500})
        page.set_default_timeout(PATIENCE)
        page.goto(server.address)
        expect(page.locator("#standing")).to_contain_text("9 of 11")
        page.locator("#runs > summary").click()
        page.locator("#table-runs-sort-4").click()
        page.locator("#table-runs-sort-4").click()
        page.locator("#table-results-filter").fill("-missing")
        page.evaluate("scrollTo({ top: 400, behavior: 'instant' })")
        place = page.evaluate("scrollY")
        write_run(store.root, run_name(8, 0), role="student", row="row 8", seed=0, ap=0.4)
        expect(page.locator("#standing")).to_contain_text("10 of 11")
        assert page.evaluate("scrollY") == place > 0
        assert page.locator("#table-results-filter").input_value() == "-missing"
        assert page.locator("#table-results tbody tr:visible").count() == 9
        assert page.locator("#table-runs th[aria-sort]").get_attribute("aria-sort") == "descending"
