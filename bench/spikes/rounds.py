"""Comparing on a busy machine: the candidates take turns, and the median of the rounds counts."""

from collections.abc import Callable, Mapping
from statistics import median


def compare(candidates: Mapping[str, Callable[[], float]], *, rounds: int, unit: str) -> None:
    """Print each candidate's median over `rounds`, its spread, and its ratio to the first one's."""
    figures: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, measure in candidates.items():
            figures[name].append(measure())
    first = median(next(iter(figures.values())))
    for name, values in figures.items():
        middle = median(values)
        print(f"{name:<44}{middle:>10,.1f} {unit}  x{middle / first:.2f}  ({min(values):,.1f} to {max(values):,.1f})")
