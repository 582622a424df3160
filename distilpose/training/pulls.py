"""What each term of a loss pulls: its share of the loss, its gradient on the shared trunk, and who pulls with whom."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

EVERY = 200
"""Steps between two looks. A look takes a backward pass a term: at most 3 % of the steps' time."""
FIRST = 50
"""The first look is early, for short runs, but not at the start, where nothing was learned."""


def is_due(step: int) -> bool:
    """Whether the step is one to look at."""
    return step % EVERY == FIRST


def pulls(terms: Mapping[str, Tensor], parameters: Sequence[nn.Parameter]) -> dict[str, float]:
    """Return numbers by name, read from terms whose graph is kept; empty for fewer than two terms.

    `NAME_share`: of the terms' absolute sum. `NAME_gradient`: the Euclidean norm over the trunk. `A_B_cosine`: between
    two terms' gradients, in [-1, 1]. The trunk is those of `parameters` that every term reaches; without any, only
    shares are returned.
    """
    terms = {name: term for name, term in terms.items() if term.requires_grad}
    if len(terms) < 2:
        return {}
    found = {
        name: torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        for name, term in terms.items()
    }
    whole = sum(term.detach().abs() for term in terms.values())
    numbers = {f"{name}_share": term.detach().abs() / whole for name, term in terms.items()}
    numbers |= dict(_on_trunk(found))
    values = torch.stack([number.float() for number in numbers.values()]).tolist()  # one look at the device
    return dict(zip(numbers, values, strict=True))


def _on_trunk(found: Mapping[str, Sequence[Tensor | None]]) -> Iterator[tuple[str, Tensor]]:
    reached = [
        n for n, parts in enumerate(zip(*found.values(), strict=True)) if all(part is not None for part in parts)
    ]
    if not reached:
        return
    flat = {name: torch.cat([parts[n].flatten().float() for n in reached]) for name, parts in found.items()}  # type: ignore[union-attr]
    norms = {name: gradient.norm() for name, gradient in flat.items()}
    for name, norm in norms.items():
        yield f"{name}_gradient", norm
    for a, b in combinations(flat, 2):
        yield f"{a}_{b}_cosine", flat[a] @ flat[b] / (norms[a] * norms[b]).clamp_min(1e-30)
