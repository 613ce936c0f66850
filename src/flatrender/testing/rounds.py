"""Interleaved rounds: how benches compare things on a machine that does other work as well.

Owns the order and the statistics. Every round runs each contestant once, in an order that turns,
and a ratio is taken within its round; the median over rounds is what is said. Load that comes and
goes then hits all alike. Never asserts a timing.
"""

from collections.abc import Mapping, Sequence
from statistics import median


def turns(names: Sequence[str], count: int) -> list[list[str]]:
    """Return the order of each of ``count`` rounds; each round starts one contestant later."""
    return [
        [names[(first + step) % len(names)] for step in range(len(names))] for first in range(count)
    ]


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each contestant's median over the rounds. Raises ValueError without rounds."""
    if not rounds:
        raise ValueError("no rounds")
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def ratio(rounds: Sequence[Mapping[str, float]], name: str, base: str) -> float:
    """Return the median over rounds of ``name`` divided by ``base`` of the same round.

    Raises ValueError without rounds.
    """
    if not rounds:
        raise ValueError("no rounds")
    return median(each[name] / each[base] for each in rounds)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of the values do not exceed (nearest rank).

    Raises ValueError for no values or a percentage outside 0..100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError("a percentile needs values and 0..100")
    rank = max(1, -int(-len(values) * percent // 100))
    return sorted(values)[rank - 1]
