"""What it costs to look at what each loss pulls: the steps between two looks, with a look and without."""

from collections.abc import Callable, Iterator
from statistics import median

import torch

from benchmarks.measure import Figure, Settings, seconds_of
from benchmarks.subjects import PAPER, TINY, Subject, ask, criterion_of
from distilpose.training.pulls import EVERY, pulls

ALLOWED = 0.97
STEPS = 3  # of each way in a round, after one to warm up


def figures(settings: Settings) -> Iterator[Figure]:
    """The cost at a small size, where it is the greatest share, and at the papers'."""
    for chosen in (TINY,) if settings.quick else (TINY, PAPER):
        ratios, looks = zip(*(_round(chosen, settings.device) for _ in range(settings.rounds)), strict=True)
        yield Figure(
            what=f"{EVERY} steps of {chosen.name}, all losses",
            against="the same with a look at what each pulls",
            ratios=ratios,
            aim=ALLOWED,
            note=f"a look takes {median(looks):.1f} steps",
        )


def _round(chosen: Subject, device: str) -> tuple[float, float]:
    """The steps' time over that of steps with a look, and how many steps a look takes; both timed in turns."""
    batch, teacher = chosen.random_batch(device), chosen.build_teacher().to(device)
    student, criterion = chosen.build_student().to(device), criterion_of("all")
    taught = ask(teacher, batch)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-4, fused=True)

    def step_of(*, look: bool) -> Callable[[], None]:
        def step() -> None:
            ask(teacher, batch)
            optimizer.zero_grad(set_to_none=True)
            terms = criterion(student(batch.images), batch, taught)
            if look:
                pulls(terms, list(student.parameters()))
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            optimizer.step()

        return step

    plain, looking = step_of(look=False), step_of(look=True)
    plain(), looking()
    seconds = [(seconds_of(plain, device), seconds_of(looking, device)) for _ in range(STEPS)]
    step, looked = (median(values) for values in zip(*seconds, strict=True))
    extra = max(0.0, looked / step - 1)
    return EVERY / (EVERY + extra), extra
