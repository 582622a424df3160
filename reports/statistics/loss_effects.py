"""What each loss is worth: the difference it makes where it is added, and Shapley values where they can be had.

A Shapley value is a loss's mean gain over all orders of adding the losses (Shapley 1953). It needs the result of every
subset. Most ablations train only some of them, so the values are worked out for every *complete* set of players:
losses, or groups of losses taken as one, of which each combination was trained, all other losses being off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import factorial

from reports.statistics.differences import Difference, difference, paired_difference

Losses = frozenset[str]
Player = tuple[str, ...]
_MOST_LOSSES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What adding the losses `added` to those of `to` changes.

    `found` is None where no seed finished both, and where the sweep does not train both (`trained`); `paper` is the
    published value, where both rows have one.
    """

    added: Player
    to: Player
    found: Difference | None
    paper: float | None
    trained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyValue:
    """The Shapley value of a loss, or of a group of losses taken as one, by seed; and that of the paper's rows."""

    player: Player
    found: Difference | None
    paper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """Players (losses or groups of them) of whom every combination was trained, and their Shapley values."""

    players: tuple[Player, ...]
    values: tuple[ShapleyValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEffects:
    """The effect of every loss; `missing` are the subsets that exact Shapley values of the single losses lack."""

    losses: tuple[str, ...]
    additions: tuple[Addition, ...]
    games: tuple[Game, ...]
    missing: tuple[Player, ...]


def _subsets(items: Sequence[Player]) -> Iterator[tuple[Player, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _partitions(items: Sequence[str]) -> Iterator[list[Player]]:
    """Every way to split the items into groups."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for groups in _partitions(rest):
        yield [(first,), *groups]
        for position, group in enumerate(groups):
            yield [*groups[:position], (first, *group), *groups[position + 1 :]]


def _union(players: Iterable[Player]) -> Losses:
    return frozenset(loss for player in players for loss in player)


def complete_games(losses: Sequence[str], trained: Iterable[Losses]) -> list[tuple[Player, ...]]:
    """The finest sets of two or more players of whom every union was trained; none that another one refines.

    Args:
        losses: all losses, in the order of the table.
        trained: the subsets that were trained.
    """
    there = set(trained)
    order = {loss: position for position, loss in enumerate(losses)}
    found: list[tuple[Player, ...]] = []
    for chosen in _subsets([(loss,) for loss in losses]):
        for groups in _partitions([player[0] for player in chosen]):
            players = tuple(sorted(groups, key=lambda group: order[group[0]]))
            if len(players) > 1 and all(_union(some) in there for some in _subsets(players)):
                found.append(players)
    return [one for one in found if not any(other != one and _refines(other, one) for other in found)]


def _refines(fine: tuple[Player, ...], coarse: tuple[Player, ...]) -> bool:
    """Whether every player of `coarse` is made of players of `fine`."""
    return all(_union(part for part in fine if set(part) <= set(player)) == set(player) for player in coarse)


def shapley(players: Sequence[Player], worth: Mapping[Losses, float]) -> dict[Player, float]:
    """Each player's Shapley value; together they are worth all players minus none.

    Args:
        players: disjoint groups of losses.
        worth: the result of every union of players.
    """
    n = len(players)
    values = {}
    for player in players:
        others = [other for other in players if other != player]
        values[player] = sum(
            factorial(len(some)) * factorial(n - 1 - len(some)) / factorial(n)
            * (worth[_union([*some, player])] - worth[_union(some)])
            for some in _subsets(others)
        )  # fmt: skip
    return values


def loss_effects(
    losses: Sequence[str], ours: Mapping[Losses, Mapping[int, float]], paper: Mapping[Losses, float]
) -> LossEffects | None:
    """The effects of the losses; None without a loss, or with more than six, whose subsets nobody trains.

    Args:
        losses: in the order of the table.
        ours: for each subset that the sweep trains, the value of each finished seed.
        paper: for each subset, the paper's value where it has one.
    """
    if not losses or len(losses) > _MOST_LOSSES:
        return None
    games = complete_games(losses, ours)
    single = [(loss,) for loss in losses]
    every = [tuple(loss for loss in losses if loss in _union(some)) for some in _subsets(single)]
    return LossEffects(
        losses=tuple(losses),
        additions=tuple(_additions(losses, games, ours, paper)),
        games=tuple(_game(players, ours, paper) for players in games),
        missing=tuple(subset for subset in every if frozenset(subset) not in ours),
    )


def _game(
    players: tuple[Player, ...], ours: Mapping[Losses, Mapping[int, float]], paper: Mapping[Losses, float]
) -> Game:
    unions = [_union(some) for some in _subsets(players)]
    seeds = sorted(set.intersection(*(set(ours[union]) for union in unions)))
    by_seed = {seed: shapley(players, {union: ours[union][seed] for union in unions}) for seed in seeds}
    published = shapley(players, paper) if all(union in paper for union in unions) else {}
    return Game(
        players=players,
        values=tuple(
            ShapleyValue(
                player=player,
                found=difference({seed: values[player] for seed, values in by_seed.items()}),
                paper=published.get(player),
            )
            for player in players
        ),
    )


def _additions(
    losses: Sequence[str],
    games: Sequence[tuple[Player, ...]],
    ours: Mapping[Losses, Mapping[int, float]],
    paper: Mapping[Losses, float],
) -> Iterator[Addition]:
    """Each loss put alone and put last, trained or not, and every other step between two trained subsets."""
    everything = tuple(losses)
    groups = dict.fromkeys(player for players in games for player in players if len(player) > 1)
    for player in dict.fromkeys([*((loss,) for loss in losses), *groups]):
        others = tuple(loss for loss in losses if loss not in player)
        between = [
            tuple(loss for loss in others if loss in _union(some)) for some in _subsets([(loss,) for loss in others])
        ]
        for to in between:
            both = frozenset(to), frozenset(to) | set(player)
            trained = all(subset in ours for subset in both)
            if not trained and (len(player) > 1 or to not in ((), others) or everything == player):
                continue
            base, grown = both
            known = base in paper and grown in paper
            yield Addition(
                added=player,
                to=to,
                found=paired_difference(ours[grown], ours[base]) if trained else None,
                paper=paper[grown] - paper[base] if known else None,
                trained=trained,
            )
