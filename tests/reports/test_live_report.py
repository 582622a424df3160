"""The live report: served to this machine alone, only the page, and renewed without losing the reader's place."""

import html
import http.client
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from browser import PATIENCE, chromium, needs_chromium
from made_up_store import begin_run, run_name, write_run
from playwright.sync_api import expect

from experiments.saved_plan import SavedPlan
from experiments.store import Store
from reports.sections import SectionMaker, results, runs, unfinished
from reports.watch import HOST, LiveReport, LiveServer

Sweep = tuple[Store, dict[str, Any]]
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
    plan["rows"] = [
        {**plan["rows"][0], "name": f"row {place}", "runs": [{"run_id": run_name(place, 0), "seed": 0}]}
        for place in range(10)
    ]
    for place in range(8):
        if not (store.root / run_name(place, 0)).exists():
            write_run(store.root, run_name(place, 0), role="student", row=f"row {place}", seed=0, ap=0.1 + place / 50)
    plan["baseline"] = "row 0"
    store.save_plan(SavedPlan.from_json(plan))
    return store, plan


@pytest.fixture
def server(running: Sweep) -> Iterator[LiveServer]:
    store, plan = running
    report = LiveReport(store, plan["sweep"], plan["profile"], pictures=False, sections=FEW)
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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_get_is_answered(server: LiveServer, method: str) -> None:
    assert ask(server, "/", method=method)[0] == 501


def test_another_name_for_this_machine_gets_nothing(server: LiveServer) -> None:
    assert ask(server, "/", host="evil.example:80")[0] == 403
    assert ask(server, "/version", host=f"localhost:{server.server_port}")[0] == 200


def test_the_version_changes_when_a_run_begins_validates_or_finishes(running: Sweep) -> None:
    store, plan = running
    report = LiveReport(store, plan["sweep"], plan["profile"])
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
        expect(page.locator(".glance dd").first).to_have_text("9 of 11")
        page.locator("#table-runs-sort-4").click()
        page.locator("#table-runs-sort-4").click()
        page.locator("#table-results-filter").fill("-missing")
        page.evaluate("scrollTo({ top: 400, behavior: 'instant' })")
        place = page.evaluate("scrollY")
        write_run(store.root, run_name(8, 0), role="student", row="row 8", seed=0, ap=0.4)
        expect(page.locator(".glance dd").first).to_have_text("10 of 11")
        assert page.evaluate("scrollY") == place > 0
        assert page.locator("#table-results-filter").input_value() == "-missing"
        assert page.locator("#table-results tbody tr:visible").count() == 9
        assert page.locator("#table-runs th[aria-sort]").get_attribute("aria-sort") == "descending"
