"""`distilpose models` and `distilpose convert`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import AsJson, print_json
from experiments.terminal.output import print_line, terminal

SHOWN_FAULTS = 4  # keys of a checkpoint that do not fit, in one line


def models(
    as_json: AsJson = False,
    fps: Annotated[
        bool, typer.Option(help="Measure speed here, one image at a time: forward passes, and whole tests.")
    ] = False,
) -> None:
    """Every model: parameters, cost and, on request, speed, beside the published figures."""
    from experiments.terminal.model_table import model_rows, model_table

    rows = model_rows(fps=fps)
    if as_json:
        print_json(rows)
    else:
        terminal().print(model_table(rows))


def convert(
    official: Annotated[Path, typer.Argument(help="The authors' checkpoint.", metavar="OFFICIAL.pth")],
    out: Annotated[Path, typer.Argument(help="File to write.", metavar="OUT.safetensors")],
    model: Annotated[str, typer.Option(help="The model it is of; `distilpose models` lists them.")],
) -> None:
    """Turn a checkpoint of the authors' code into weights of a model here. Nothing in the file is run."""
    from distilpose.data.skeleton import COCO
    from distilpose.models import convert_official
    from distilpose.models.description import Description
    from distilpose.models.official import OfficialWeightsError

    try:
        convert_official(official, out, Description(model=model, skeleton=COCO))
    except OfficialWeightsError as error:
        _, *faults = map(str.strip, str(error).splitlines())
        more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        some = "; ".join(faults[:SHOWN_FAULTS])
        raise ValueError(f"{official}: is no checkpoint of {model}, {len(faults)} keys differ: {some}{more}") from error
    print_line(out)
