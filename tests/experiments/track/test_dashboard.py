"""The Workspace and Report of a sweep: what W&B is sent, with its server left out."""

import builtins
import sys
from dataclasses import replace

import pytest
from small_sweeps import bare_plan

from experiments.cli.main import main
from experiments.runs.store import Store
from experiments.track.wandb.dashboard import check_installed, make_dashboard, save_dashboard

PLAN = bare_plan(
    profile="tiny",
    title="What each loss is worth",
    metric="PCK@0.1",
    settings={"data": "synthetic people", "seeds": "0, 1"},
)


class Server:
    """Stands in for W&B's server behind wandb-workspaces: it knows the project and keeps the views it is sent."""

    default_entity = "me"
    client = None

    def __init__(self):
        self.saved, self.project_is_there = [], True

    def projects(self, entity):
        return []

    def create_project(self, project, entity):
        self.project_is_there = True

    def answer(self, api, query, variables):
        if "internalId" in str(query) or "spec" not in variables:
            return {"project": {"internalId": "UHJvamVjdA=="} if self.project_is_there else None}
        self.saved.append(variables)
        view = {"id": f"id{len(self.saved)}", "name": variables["name"], "displayName": variables["displayName"]}
        view |= {"description": "", "project": {"name": "poses", "entityName": "me"}, "spec": variables["spec"]}
        return {"upsertView": {"view": view, "inserted": True}}


@pytest.fixture
def server(monkeypatch):
    check_installed()  # quietly
    import wandb_workspaces.reports.v2.interface as reports
    import wandb_workspaces.workspaces.interface as workspaces
    from wandb_workspaces.workspaces import internal

    server = Server()
    monkeypatch.setattr(reports, "_get_api", lambda: server)
    monkeypatch.setattr(reports, "execute_graphql", server.answer)
    monkeypatch.setattr(internal, "execute_graphql", server.answer)
    monkeypatch.setattr("wandb.Api", lambda *_, **__: server)
    for module in (reports, workspaces):
        monkeypatch.setattr(module, "get_app_url", lambda api: "https://wandb.ai")
    return server


def grids(report):
    return [block["metadata"] for block in report["blocks"] if block["type"] == "panel-grid"]


def test_both_views_show_best_values_curves_with_bands_pictures_and_predictions(server):
    sent = make_dashboard(PLAN, entity="me", project="poses").json()
    in_workspace = [section["panels"] for section in sent["workspace"]["section"]["panelBankConfig"]["sections"]]
    in_report = [grid["panelBankSectionConfig"]["panels"] for grid in grids(sent["report"])]
    for bars, curves, pictures, predictions in (in_workspace, in_report):
        assert bars[0]["config"]["metrics"] == ["summary_metrics.best/PCK_0_1"]
        assert [curve["config"]["metrics"] for curve in curves] == [["val/PCK_0_1"], ["train/loss"]]
        assert [curve["config"]["xAxis"] for curve in curves] == ["epoch", "_step"]
        for panel in (*bars, *curves):
            grouping = [panel["config"][name] for name in ("groupBy", "groupAgg", "groupArea", "aggregate")]
            assert grouping == ["row.value", "mean", "stddev", True]
        assert "pictures/skeleton" in pictures[0]["config"]["mediaKeys"]
        assert "predictions" in str(predictions[0]["config"])


def test_both_views_show_the_students_of_this_sweep_alone_grouped_by_row(server):
    sent = make_dashboard(PLAN, entity="me", project="poses").json()
    (in_workspace,) = sent["workspace"]["section"]["runSets"]
    for runs in (in_workspace, *(run_set for grid in grids(sent["report"]) for run_set in grid["runSets"])):
        asked = [(rule["key"]["name"], rule["op"], rule["value"]) for rule in runs["filters"]["filters"]]
        assert asked == [("group", "=", "mini.tiny"), ("jobType", "=", "student")]
        assert runs["grouping"] == [{"section": "config", "name": "row.value"}]
        assert runs["sort"]["keys"] == [
            {"key": {"section": "summary", "name": "best/PCK_0_1"}, "ascending": False},
        ]


def test_a_dashboard_made_again_is_the_same_one_brought_up_to_date(server, tmp_path, monkeypatch):
    memory = tmp_path / "mini.tiny.json"
    first = save_dashboard(make_dashboard(PLAN, entity="me", project="poses"), memory)
    assert [saved["displayName"] for saved in server.saved] == ["mini (tiny)", "What each loss is worth"]
    assert all(address.startswith("https://wandb.ai/me/poses") for address in first.values())
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

    asked = []

    def known(cls, address):
        asked.append(address)
        view = make_dashboard(PLAN, entity="me", project="poses")
        found = view.workspace if cls is Workspace else view.report
        if cls is Workspace:
            found._internal_name, found._internal_id = "nw-abc-v", "id1"
        else:
            found.id = "id2"
        return found

    monkeypatch.setattr(Workspace, "from_url", classmethod(known))
    monkeypatch.setattr(Report, "from_url", classmethod(known))
    save_dashboard(make_dashboard(replace(PLAN, title="Another title"), entity="me", project="poses"), memory)
    assert asked == list(first.values())
    assert [saved.get("id") for saved in server.saved[2:]] == ["id1", "id2"]
    assert server.saved[3]["displayName"] == "Another title"


def test_a_project_that_is_not_there_is_said(server, tmp_path):
    server.project_is_there = False
    with pytest.raises(ConnectionError, match=r"the dashboard was not saved: .*not found"):
        save_dashboard(make_dashboard(PLAN, entity="me", project="poses"), tmp_path / "memory.json")


def test_without_the_extra_one_message_says_how_to_get_it(monkeypatch, capfd, tmp_path):
    Store(tmp_path).save_plan(PLAN)
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("wandb_workspaces"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    words = ["distilpose", "wandb", "dashboard", "mini", "--profile", "tiny", "--runs", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("pip install 'distilpose[dashboard]'")
