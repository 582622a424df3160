"""What each loss pulled, from the journals of a row's runs."""

import json
from pathlib import Path

from made_up_store import run_name, write_complete

from reports.formats.drawing import Drawing
from reports.formats.table import Table
from reports.numbers.sweep import aggregate
from reports.sections.pulls import pull_table, pulls


def test_a_weak_loss_is_named_with_its_share_of_the_gradient(tmp_path: Path) -> None:
    sweep = write_complete(tmp_path, seeds=1)
    journal = tmp_path / run_name(4, 0) / "journal.jsonl"  # the row KT
    lines = journal.read_text().splitlines()
    values = {"KT_share": 0.1, "reg_share": 0.9, "KT_gradient": 0.005, "reg_gradient": 0.995, "reg_KT_cosine": -0.25}
    looked = {
        "event": "metrics", "t": 1.5, "step": 50, "epoch": None, "values": {f"pull/{k}": v for k, v in values.items()},
    }  # fmt: skip
    journal.write_text("\n".join([lines[0], json.dumps(looked), *lines[1:]]) + "\n")
    result = tmp_path / run_name(4, 0) / "result.json"
    result.write_text(json.dumps({name: v for name, v in json.loads(result.read_text()).items() if name != "journal"}))
    numbers = aggregate(*sweep)
    drawn, section = pulls(numbers), pull_table(numbers)
    assert drawn is not None
    assert section is not None
    assert drawn.after == ("Less than 2 % of the gradient: KT of “KT” (0.5 %). These rows say little of that loss.",)
    (drawing,) = drawn.blocks
    assert isinstance(drawing, Drawing)
    assert ">KT &lt; 1<" in drawing.svg
    assert ">reg 100<" in drawing.svg
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["KT", "KT", "10.0", "0.5", "−0.25", ""],
        ["KT", "reg", "90.0", "99.5", "–", "KT −0.25"],
    ]


def test_runs_that_looked_at_nothing_have_no_section(tmp_path: Path) -> None:
    assert pulls(aggregate(*write_complete(tmp_path, seeds=1))) is None
