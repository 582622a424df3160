"""`distilpose explain`: what a run, or every row of a sweep, sees in its validation pictures."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import RUNS, DataRoot, Device, Profile, Rows, Runs, Seeds, console, launched, selection_of
from experiments.terminal.output import print_line


def explain(
    run: Annotated[str | None, typer.Argument(help="Id of a finished run.", metavar="RUN_ID")] = None,
    sweep: Annotated[str | None, typer.Option(help="Every row of this sweep instead, side by side.")] = None,
    profile: Profile = None,
    rows: Rows = None,
    seeds: Seeds = "",
    image: Annotated[list[int] | None, typer.Option(help="Id of a validation picture; may be repeated.")] = None,
    joint: Annotated[list[str] | None, typer.Option(help="Joint to show the attention of; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pictures; by default below the runs.")] = None,
    device: Device = "auto",
    runs: Runs = RUNS,
    data: DataRoot = None,
) -> None:
    """Attention by layer and between keypoints, confidence, heatmaps of validation pictures: PNGs and one page."""
    from distilpose.pictures.png import save_png
    from experiments.launch.devices import torch_device
    from experiments.runs.atomic import write_whole
    from experiments.runs.store import Store
    from experiments.trained.explain import Wish, explain_run, explain_sweep
    from experiments.trained.load import find_run
    from reports.formats.gallery import Figure, gallery_page

    if (run is None) == (sweep is None):
        raise ValueError("explain: give the id of a run, or a sweep with --sweep; one of them")
    selection = selection_of(rows, seeds)
    if selection and run is not None:
        raise ValueError("--rows, --seeds: select a part of a sweep; name it with --sweep")
    store = Store(runs)
    wish = Wish(images=tuple(image or ()), joints=tuple(joint or ()), data=data, device=torch_device(device))
    if run is not None:
        explained = explain_run(find_run(run, store), store, wish)
    else:
        assert sweep is not None
        explained = explain_sweep(selection.of(store.load_plan(*launched(sweep, profile, store))), store, wish)
    folder = out or runs / "explained" / explained.name
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for sheet in explained.sheets:
        path = folder / f"{sheet.name}.png"
        save_png(sheet.image, path)
        figures.append(Figure(path, sheet.heading, sheet.caption))
        print_line(path)
    write_whole(folder / "index.html", gallery_page(explained.title, explained.lead, figures))
    print_line(folder / "index.html")
    for row in explained.missing:
        console.print(f"row {row}: no finished run, so it is not shown", markup=False, highlight=False)
