"""A plot of ratios as SVG, readable on light and on dark pages."""

from collections.abc import Mapping
from html import escape

_WIDTH, _LABELS, _BAR, _GAP, _HEAD = 760, 330, 16, 10, 34
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; }
  .bar { fill: #8c959f; }
  .first { fill: #0969da; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .bar { fill: #6e7681; } .first { fill: #4493f8; } }
"""


def bars(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars, group by group; the first of each group is ours, drawn in another colour."""
    drawn: list[str] = []
    y = 0
    for head, values in groups.items():
        y += _HEAD
        drawn.append(f'<text class="head" x="0" y="{y - 10}">{escape(head)} (ours = 1, longer is faster)</text>')
        longest = max(values.values(), default=1) or 1
        for place, (label, value) in enumerate(values.items()):
            drawn.append(_bar(label, value, value / longest, y, first=place == 0))
            y += _BAR + _GAP
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img">\n'
        f"<title>Throughput as a multiple of ours</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _bar(label: str, value: float, share: float, y: int, *, first: bool) -> str:
    width = max(1, round(share * (_WIDTH - _LABELS - 60)))
    middle = y + _BAR - 3
    name = "first" if first else "bar"
    return (
        f'<text x="0" y="{middle}">{escape(label)}</text>'
        f'<rect class="{name}" x="{_LABELS}" y="{y}" width="{width}" height="{_BAR}"/>'
        f'<text x="{_LABELS + width + 6}" y="{middle}">{value:.2f}</text>'
    )
