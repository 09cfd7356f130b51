"""The results for people: on the terminal, and in `docs/benchmarks.md` between its two marks."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from chart import bars
from results import GOALS, Results

DOCS = Path(__file__).parent.parent / "docs"
_PAGE = DOCS / "benchmarks.md"
_PLOT = DOCS / "benchmarks.svg"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_COLUMNS = {
    "accepts": "accepts/s",
    "accept_p50": "p50",
    "accept_p99": "p99",
    "cpu": "CPU per accept",
    "delivered": "delivered/s",
    "arrival_p50": "arrival p50",
    "memory": "memory",
    "start": "start",
}
_KEPT = {"kept": "receiver away", "kept_crash": "and killed meanwhile"}
_ABOUT_KEPT = """Share of the accepted notices that arrived although the receiver was away for some seconds, and
although all processes were killed (`kill -9`) meanwhile and started anew:"""

Table = Sequence[Sequence[str]]


def ratios(results: Results, titles: Mapping[str, str]) -> Table:
    """One line a peer, each figure as a multiple of ours."""
    lines = [["", *_COLUMNS.values()]]
    for name, title in titles.items():
        if name in results.found:
            lines.append([title, *(_times(results.ratio(name, what)) for what in _COLUMNS)])
    return lines


def kept(results: Results, titles: Mapping[str, str]) -> Table:
    """What share of the accepted notices arrived all the same."""
    lines = [["", *_KEPT.values()]]
    for name, title in titles.items():
        shares = [results.of(name, what) for what in _KEPT]
        if name in results.in_outage:
            lines.append([title, *("accepted none" if share is None else f"{share:.0%}" for share in shares)])
    return lines


def goals(results: Results) -> Table:
    """Each goal with what was measured."""
    return [["Goal", "to reach", "measured"], *(goal.verdict(results) for goal in GOALS)]


def machine() -> str:
    """This machine in general terms."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB, {platform.system()}, {python}"


def on_terminal(results: Results, titles: Mapping[str, str]) -> None:
    """Print everything."""
    print("\nAs multiples of ours; of latencies, CPU, memory and start less is better:\n")
    for table in (ratios(results, titles), kept(results, titles), goals(results)):
        if len(table) == 1:
            continue
        widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
        for line in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        print()
    for remark in _remarks(results, titles):
        print(remark)


def write(results: Results, titles: Mapping[str, str], how: str) -> None:
    """Put the figures into the page and draw the plot; `how` says how often what was measured."""
    shown = {title: name for name, title in titles.items() if results.of(name, "delivered") is not None}
    rates = {title: results.ratio(name, "delivered") or 0 for title, name in shown.items()}
    accepts = {t: results.ratio(n, "accepts") or 0 for n, t in titles.items() if results.of(n, "accepts") is not None}
    _PLOT.write_text(bars({"Accepted to delivered": rates, "Accepts": accepts}), encoding="utf-8")
    parts = [
        f"Measured on {machine()}; {how}.",
        _markdown(ratios(results, titles)),
        "![Throughput as a multiple of ours](benchmarks.svg)",
        _ABOUT_KEPT,
        _markdown(kept(results, titles)),
        _markdown(goals(results)),
        *_remarks(results, titles),
    ]
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    figures = "\n\n".join(parts)
    _PAGE.write_text(f"{before}{_BEGIN}\n{figures}\n{_END}{after}", encoding="utf-8")


def _remarks(results: Results, titles: Mapping[str, str]) -> list[str]:
    """What must be known with the figures: calls refused or broken, notices that never came, who is absent."""
    remarks = []
    for name, title in titles.items():
        if failed := sum(results.found.get(name, {}).get("failed", ())):
            remarks.append(f"{title}: {failed:.0f} calls under load got no 2xx.")
        if lost := sum(results.found.get(name, {}).get("lost", ())):
            remarks.append(f"{title}: {lost:.0f} notices of the bursts did not arrive.")
    return remarks + [f"Not among them: {name} ({reason})." for name, reason in results.skipped.items()]


def _markdown(table: Table) -> str:
    head, *lines = table
    rule = "|".join(["---", *["--:"] * (len(head) - 1)])
    return "\n".join([_line(head), f"|{rule}|", *map(_line, lines)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
