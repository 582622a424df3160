"""A sweep's Workspace and Report on W&B: the only file that imports wandb-workspaces, and only where it is asked to."""

import json
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.runs.saved_plan import SavedPlan
from experiments.track.card import shown_name

MISSING = "wandb dashboard needs the package wandb-workspaces: pip install 'distilpose[dashboard]'"
PICTURES = ("skeleton", "heatmaps", "attention", "layers")
MOST_ROWS = 100  # curves and bars that a panel draws

Kind = Literal["workspace", "report"]


class Dashboard(NamedTuple):
    """A sweep's Workspace and Report, not yet saved."""

    workspace: Any
    report: Any

    def json(self) -> dict[str, Any]:
        """What W&B is sent of each: the specification of the view."""
        views: dict[Kind, Any] = {"workspace": self.workspace, "report": self.report}
        return {
            kind: json.loads(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
            for kind, view in views.items()
        }


def check_installed() -> None:
    """Raise ValueError with the remedy where wandb-workspaces is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pydantic, of which it uses an older style
            import wandb_workspaces.reports.v2
            import wandb_workspaces.workspaces  # noqa: F401
    except ImportError:
        raise ValueError(MISSING) from None


def make_dashboard(plan: SavedPlan, *, entity: str, project: str) -> Dashboard:
    """The dashboard of a saved plan: best metric by row, curves by row with bands, pictures, predictions.

    Students are grouped by row: every line and bar is a mean over seeds, with its standard deviation.
    """
    check_installed()
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces.expr import And

    group, best = plan.name, shown_name(f"best/{plan.metric}")
    sections = _panels(plan.metric)
    students = And(ws.Metric("Group") == group, ws.Metric("JobType") == "student")
    columns = ["run:displayName", "config:row.value", "config:seed.value", f"summary:{best}", "summary:status"]
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"{plan.sweep} ({plan.profile})",
        sections=[
            ws.Section(name=name, panels=panels, is_open=True, pinned=position == 0)
            for position, (name, panels) in enumerate(sections.items())
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", group_by_prefix="first", max_runs=MOST_ROWS),
        runset_settings=ws.RunsetSettings(
            filters=students,
            groupby=[ws.Config("row")],
            order=[ws.Ordering(ws.Summary(best), ascending=False)],
            pinned_columns=columns,
        ),
    )
    by_row = wr.Runset(
        entity=entity,
        project=project,
        name="students by row",
        filters=students,
        groupby=["config.row"],
        order=[wr.OrderBy(wr.SummaryMetric(best))],
        pinned_columns=columns,
    )
    blocks: list[Any] = [
        wr.TableOfContents(),
        wr.UnorderedList([f"{name}: {value}" for name, value in plan.settings.items()]),
    ]
    for name, panels in _panels(plan.metric).items():
        blocks += [wr.H2(name), wr.PanelGrid(runsets=[by_row], panels=panels)]
    report = wr.Report(
        entity=entity,
        project=project,
        title=plan.title[:128],
        description=f"The sweep {plan.sweep}, profile {plan.profile}.",
        blocks=blocks,
        width="fluid",
    )
    return Dashboard(workspace, report)


def save_dashboard(dashboard: Dashboard, memory: Path) -> dict[Kind, str]:
    """The addresses of a dashboard after it was saved; one that the file `memory` names is brought up to date.

    Raises ConnectionError where W&B does not take it, say because the project is not there yet.
    """
    known = read_json(memory, dict[str, str]) or {}
    try:
        return _saved(dashboard, memory, known)
    except Exception as error:  # the library raises whatever it pleases
        raise ConnectionError(f"wandb: the dashboard was not saved: {error}") from error


def _saved(dashboard: Dashboard, memory: Path, known: dict[str, str]) -> dict[Kind, str]:
    views: dict[Kind, Any] = {"workspace": dashboard.workspace, "report": dashboard.report}
    parts = {"workspace": ("sections", "settings", "runset_settings"), "report": ("title", "description", "blocks")}
    addresses: dict[Kind, str] = {}
    for kind, view in views.items():
        saved = _saved_before(view, known.get(kind))
        for part in parts[kind]:
            setattr(saved, part, getattr(view, part))
        addresses[kind] = saved.save().url
        write_whole(memory, json_text({**known, **addresses}))  # what is saved is known, whatever the next does
    return addresses


def _saved_before(view: Any, address: str | None) -> Any:
    """The view at an address; the one given where there is none, or it was deleted."""
    if address is None:
        return view
    try:
        return type(view).from_url(address)
    except (ValueError, LookupError):
        return view


def _panels(metric: str) -> dict[str, list[Any]]:
    """The panels by the headings they stand under; made anew for each view, since each has its own."""
    import wandb_workspaces.reports.v2 as wr

    by_row: dict[str, Any] = {
        "groupby": wr.Config("row"),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
        "max_runs_to_show": MOST_ROWS,
    }
    wide, half = wr.Layout(0, 0, 24, 9), [wr.Layout(0, 0, 12, 8), wr.Layout(12, 0, 12, 8)]
    return {
        f"Best {metric} by row": [
            wr.BarPlot(
                title=f"{metric} of the best validation: mean and standard deviation over seeds",
                metrics=[wr.SummaryMetric(shown_name(f"best/{metric}"))],
                orientation="h",
                max_bars_to_show=MOST_ROWS,
                layout=wide,
                **by_row,
            )
        ],
        "Curves by row": [
            wr.LinePlot(
                title=f"{metric} of validation",
                x="epoch",
                y=[shown_name(f"val/{metric}")],
                title_x="epoch",
                layout=half[0],
                **by_row,
            ),
            wr.LinePlot(
                title="training loss", x="Step", y=["train/loss"], title_x="step", log_y=True, layout=half[1], **by_row
            ),
        ],
        "Pictures": [
            wr.MediaBrowser(
                title="the same people in every row: step along the slider",
                media_keys=[f"pictures/{kind}" for kind in PICTURES],
                num_columns=2,
                layout=wr.Layout(0, 0, 24, 16),
            )
        ],
        "Predictions": [wr.WeavePanelSummaryTable(table_name="predictions", layout=wr.Layout(0, 0, 24, 14))],
    }
