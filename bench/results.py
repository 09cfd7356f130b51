"""Medians over the rounds, and the ratios that are shown: a busy or a slow machine changes those least."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from measures import Figures

OURS = "ours"


@dataclass(slots=True)
class Results:
    """All figures of all rounds, by who and what; why somebody is not among them, and who went through the outage."""

    found: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    skipped: dict[str, str] = field(default_factory=dict)
    in_outage: set[str] = field(default_factory=set)

    def add(self, name: str, figures: Figures) -> None:
        """One round's figures of one."""
        for what, value in figures.items():
            self.found[name][what].append(value)

    def of(self, name: str, what: str) -> float | None:
        """The median; None when it was not measured."""
        values = self.found.get(name, {}).get(what)
        return median(values) if values else None

    def ratio(self, name: str, what: str, to: str = OURS) -> float | None:
        """That of `name` as a multiple of that of `to`, round by round, since a round's noise is common to both."""
        mine, theirs = self.found.get(name, {}).get(what), self.found.get(to, {}).get(what)
        if not mine or not theirs:
            return None
        if len(mine) == len(theirs) and all(theirs):
            return median(one / other for one, other in zip(mine, theirs, strict=True))
        return median(mine) / median(theirs) if median(theirs) else None


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to reach: at least, or at most."""

    says: str
    figure: Callable[[Results], float | None]
    bound: float
    at_most: bool = False

    def verdict(self, results: Results) -> tuple[str, str, str]:
        """Goal, what was measured, whether it is reached."""
        value = self.figure(results)
        sign = "≤" if self.at_most else "≥"
        if value is None:
            return self.says, f"{sign} {self.bound:g}", "not measured"
        reached = value <= self.bound if self.at_most else value >= self.bound
        return self.says, f"{sign} {self.bound:g}", f"{value:.2f} {'✓' if reached else '✗'}"


def _faster_empty(results: Results) -> str:
    known: Mapping[str, float] = {n: v for n in ("uvicorn", "granian") if (v := results.of(n, "accepts")) is not None}
    return max(known, key=lambda name: known[name]) if known else "uvicorn"


def _versus(peer: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio(OURS, "delivered", peer)


def _scaled(kind: str) -> Callable[[Results], float | None]:
    return lambda results: results.ratio(f"{kind}_2", "per_second", f"{kind}_1")


def _doubled(results: Results) -> float | None:
    counts = [n for case in results.found.values() for n in case.get("doubled", ())]
    return sum(counts) if counts else None


GOALS = (
    Goal(
        "durable accept, everything on, against an empty endpoint on the faster server",
        lambda results: results.ratio("accepting", "accepts", _faster_empty(results)),
        0.5,
    ),
    Goal(
        "its p50 against the empty endpoint's",
        lambda r: r.ratio("accepting", "accept_p50", _faster_empty(r)),
        3,
        at_most=True,
    ),
    Goal("accepted to delivered, against Alertmanager", _versus("alertmanager"), 1.0),
    Goal("accepted to delivered, against Node-RED", _versus("node-red"), 1.5),
    Goal("accepted to delivered, against Celery + Redis", _versus("celery"), 3),
    Goal("accepted to delivered, against sending inside the request", _versus("direct"), 4),
    Goal("PostgreSQL, receiver answers after 50 ms: two processes of each kind against one", _scaled("slow"), 1.5),
    Goal("PostgreSQL, flat out: two processes of each kind against one", _scaled("flat"), 0.9),
    Goal("double claims", _doubled, 0, at_most=True),
)
