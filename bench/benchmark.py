"""The service against what people would pick instead: one machine, one load generator, one receiving end.

`make bench` prints the ratios; `bench/benchmark.py --write` puts them into `docs/benchmarks.md`. `--quick` shows in a
few minutes that everything runs; its figures say little. Everything listens on loopback and ends with this script.
"""

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import measures
import nginx
import report
import scaling
from measures import Figures, Sizes
from peers import Peer, alertmanager, celery_redis, direct, empty, node_red, ours
from processes import BenchError
from results import Results

PEERS: Sequence[Peer] = (
    ours.PEER,
    ours.ACCEPTING,
    empty.UVICORN,
    empty.GRANIAN,
    direct.SDK,
    direct.BEST,
    celery_redis.PEER,
    alertmanager.PEER,
    node_red.PEER,
)
_VAR = Path(__file__).parent.parent / "var"
"""On the disk of the project: a folder for temporary files may be in memory, where a commit costs nothing."""

Measure = Callable[[Peer, Path, Sizes], Figures]
MEASURES: Sequence[tuple[Measure, bool, bool]] = (
    (measures.accepting, False, True),
    (measures.delivering, True, True),
    (measures.outage, True, False),
    (measures.crash, True, False),
)
"""Each with whether it is for those only that deliver, and whether every round repeats it."""


def main() -> int:
    """Measure, print, and write when told to; the exit code."""
    arguments = _arguments()
    lacking = [name for name, found in (("wrk", shutil.which("wrk")), ("nginx", nginx.program())) if not found]
    if lacking:
        print(f"The benchmark needs {' and '.join(lacking)}: apt install {' '.join(lacking)}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sizes = measures.QUICK if arguments.quick else measures.FULL
    rounds = 1 if arguments.quick else arguments.rounds
    only = set(arguments.only.split(",")) if arguments.only else {"postgres", *(peer.name for peer in PEERS)}
    titles = {peer.name: peer.title for peer in PEERS}
    results = Results()
    peers = [peer for peer in PEERS if peer.name in only and _present(results, peer.title, peer.missing())]
    postgres = "postgres" in only and _present(results, "PostgreSQL", scaling.missing())
    _VAR.mkdir(exist_ok=True)
    for number in range(rounds):
        # Whoever comes first in one round comes later in the next.
        turned = peers[number % len(peers) :] + peers[: number % len(peers)] if peers else []
        _round(results, turned, sizes, f"round {number + 1} of {rounds}", first=number == 0)
        if postgres:
            _scale(results, sizes)
    report.on_terminal(results, titles)
    if arguments.write:
        report.write(results, titles, f"medians of {rounds} rounds, {sizes.connections} connections")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the service with what people would pick instead.")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that all of it works")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--only", help="comma-separated: postgres, " + ", ".join(peer.name for peer in PEERS))
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.quick or arguments.only):
        parser.error("only a whole run is written down")
    return arguments


def _present(results: Results, title: str, missing: str | None) -> bool:
    if missing is None:
        return True
    results.skipped[title] = missing
    print(f"Skipped: {title}: {missing}", flush=True)
    return False


def _round(results: Results, peers: Sequence[Peer], sizes: Sizes, which: str, *, first: bool) -> None:
    """Measure each in turn; what says the same every time, in the `first` round only."""
    for measure, delivers, always in MEASURES:
        for peer in peers if first or always else ():
            if peer.delivers or not delivers:
                what = f"{which}: {measure.__name__}: {peer.title}"
                if _measure(results, peer.name, what, _of(peer, measure, sizes)) and measure is measures.crash:
                    results.in_outage.add(peer.name)


def _of(peer: Peer, measure: Measure, sizes: Sizes) -> Callable[[Path], Figures]:
    return lambda folder: measure(peer, folder, sizes)


def _scale(results: Results, sizes: Sizes) -> None:
    for name, (processes, delay) in scaling.CASES.items():
        what = f"PostgreSQL, {processes} + {processes} processes, receiver answers after {delay * 1000:.0f} ms"
        _measure(results, name, what, partial(scaling.scaling, sizes=sizes, processes=processes, delay=delay))


def _measure(results: Results, name: str, what: str, run: Callable[[Path], Figures]) -> bool:
    """Whether it could be measured."""
    print(what, flush=True)
    with TemporaryDirectory(dir=_VAR, prefix="bench-") as folder:
        try:
            results.add(name, run(Path(folder)))
        except (BenchError, OSError) as error:
            results.skipped[what] = str(error)
            print(f"  not measured: {error}", flush=True)
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
