"""The models as a table: what each costs here, beside its paper's figures."""

from dataclasses import asdict
from typing import Any

import torch
from rich.table import Table

from distilpose.data.skeleton import COCO
from distilpose.evaluation.protocol import Protocol
from distilpose.evaluation.whole_test import WholeTest
from distilpose.models import MODELS, build_model
from distilpose.models.measure import count_costs
from distilpose.models.speed import measure_speed
from experiments.terminal.tables import plain_table


def model_rows(*, fps: bool) -> list[dict[str, Any]]:
    """One record per model; `fps` adds its speeds here, one image at a time, each a median with its quartiles.

    `fps` is of single forward passes. `test_fps` is of whole tests, which the papers time: with the flip test and
    decoding; of a heatmap model also without its post-processing, as `test_fps_without_post_processing`.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    for model_name, spec in MODELS.items():
        model = build_model(model_name).eval()
        costs = count_costs(model, spec.input_size)
        published = spec.published
        row: dict[str, Any] = {
            "model": model_name,
            "role": spec.role,
            "input": list(spec.input_size),
            "parameters": costs.parameters,
            "trainable": costs.trainable,
            "gflops": costs.gflops,
            "gmacs_with_attention": costs.gmacs,
            "published": {
                "parameters_m": published.parameters_m,
                "gflops": published.gflops,
                "AP": published.ap,
                "fps": published.fps,
            },
        }
        if fps:
            whole = {"test_fps": Protocol()}
            if spec.role == "teacher":
                whole["test_fps_without_post_processing"] = Protocol(refinement="none")
            row["fps"] = asdict(measure_speed(model, spec.input_size, device=device))
            for name, protocol in whole.items():
                test = WholeTest(model, COCO, protocol)
                row[name] = asdict(measure_speed(test, spec.input_size, device=device))
        rows.append(row)
    return rows


def model_table(rows: list[dict[str, Any]]) -> Table:
    """The records for people; the paper's figures stand in brackets."""
    headings = ["model", "role", "trainable M (paper)", "GFLOPs (paper)", "GMACs with attention", "paper AP"]
    if rows and "fps" in rows[0]:
        headings += ["passes/s here", "tests/s here, without post-processing (paper)"]
    lines = []
    for row in rows:
        paper = row["published"]
        cells = [
            row["model"],
            row["role"],
            f"{row['trainable'] / 1e6:.2f}{_bracket(paper['parameters_m'])}",
            f"{_counted(row['gflops'])}{_bracket(paper['gflops'])}",
            _counted(row["gmacs_with_attention"]),
            "" if paper["AP"] is None else f"{paper['AP']:.1f}",
        ]
        if "fps" in row:
            without = row.get("test_fps_without_post_processing")
            tests = f"{row['test_fps']['fps']:.1f}" + (f", {without['fps']:.1f}" if without else "")
            cells += [f"{row['fps']['fps']:.1f}", f"{tests}{_bracket(paper['fps'])}"]
        lines.append(cells)
    return plain_table(headings, lines, left=2)


def _counted(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _bracket(value: float | None) -> str:
    return "" if value is None else f" ({value:g})"
