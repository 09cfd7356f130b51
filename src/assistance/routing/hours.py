"""Opening hours: `Mon-Fri 09:00-13:00, Mon-Thu 15:00-18:00 Europe/Madrid`.

    hours  = range *("," range) zone        zone: a name of the IANA time zone database
    range  = [days] from "-" to             without days: those of the range before it
    days   = "Daily" / day *("," day)       day: Mon, or a span Mon-Fri (Sat-Mon goes over the week's end)
    from   = HH:MM                          00:00 to 23:59
    to     = HH:MM                          00:01 to 24:00; not after `from`: on the next day

The hours are those that the clock on that zone's wall shows. So an hour that summer time leaves out is never open, and
one that is shown twice is open twice.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = 86_400
_WEEK = 7 * _DAY
_MIDNIGHT = 24 * 60
_RANGE = re.compile(r"(?:(?P<days>[A-Za-z-]+)\s*)?(?P<times>\d[\d:\s-]*)?")
_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class Range:
    """From when to when, in minutes after midnight, on which days (0 is Monday); `end` <= `start`: on the next day."""

    days: tuple[int, ...]
    start: int
    end: int

    def __str__(self) -> str:
        start, end = (f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.start, self.end))
        return f"{_days_text(self.days)} {start}-{end}"


@dataclass(frozen=True, slots=True)
class Hours:
    """When a topic's people are there. `str` gives the text that `parse_hours` reads."""

    ranges: tuple[Range, ...]
    zone: ZoneInfo
    _text: str = field(init=False, repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _ends: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay the ranges out on one week, in seconds, once: `is_open` is asked for every request."""
        spans = _merged(self.ranges)
        object.__setattr__(self, "_text", f"{', '.join(map(str, self.ranges))} {self.zone.key}")
        object.__setattr__(self, "_starts", tuple(start for start, _ in spans))
        object.__setattr__(self, "_ends", tuple(end for _, end in spans))

    def __str__(self) -> str:
        return self._text

    @property
    def whole_week(self) -> bool:
        """Whether it never closes."""
        return self._starts == (0,) and self._ends == (_WEEK,)

    def is_open(self, at: float) -> bool:
        """Whether `at` (seconds since the epoch) lies within the hours."""
        return self._open_on_the_wall(self._wall(int(at // 1)))

    def next_open(self, at: float) -> float | None:
        """The first opening after `at`, None when it is open at `at`."""
        second = int(at // 1)
        while not self._open_on_the_wall(wall := self._wall(second)):
            second = self._advance(second, wall)
        return None if second <= at else float(second)

    def _wall(self, second: int) -> int:
        """The seconds since Monday 00:00 that the wall clock shows."""
        local = datetime.fromtimestamp(second, self.zone)
        return local.weekday() * _DAY + local.hour * 3600 + local.minute * 60 + local.second

    def _open_on_the_wall(self, wall: int) -> bool:
        span = bisect_right(self._starts, wall) - 1
        return span >= 0 and wall < self._ends[span]

    def _advance(self, second: int, wall: int) -> int:
        """A later moment with no opening between: the next start, a day later, or when the clocks change before."""
        following = bisect_right(self._starts, wall)
        start = self._starts[following] if following < len(self._starts) else self._starts[0] + _WEEK
        step = min(start - wall, _DAY)
        if (self._wall(second + step) - wall - step) % _WEEK == 0:
            return second + step
        unchanged, changed = 0, step
        while changed - unchanged > 1:
            middle = (unchanged + changed) // 2
            if (self._wall(second + middle) - wall - middle) % _WEEK == 0:
                unchanged = middle
            else:
                changed = middle
        return second + changed


@lru_cache(maxsize=1024)
def parse_hours(text: str) -> Hours:
    """Read the hours. Raises ValueError, in plain words, when they cannot be read."""
    *_, zone = text.split() or [""]
    ranges = text.strip().removesuffix(zone).strip()
    if not re.search(r"\d", ranges):
        raise ValueError("hours are days, times and a time zone: Mon-Fri 09:00-18:00 Europe/Madrid")
    return Hours(_ranges(ranges), _zone(zone))


def _ranges(text: str) -> tuple[Range, ...]:
    found: list[Range] = []
    days: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None or not part.strip():
            raise ValueError("each range of the hours is days and times: Mon-Fri 09:00-18:00")
        if match["days"]:
            days |= _span(match["days"])
        if match["times"]:
            days = days or set(found[-1].days if found else ())
            found.append(_range(days, match["times"].strip()))
            days = set()
    if days:
        raise ValueError("the hours end with days that have no times")
    return tuple(found)


def _range(days: set[int], times: str) -> Range:
    if not days:
        raise ValueError("the hours do not say on which days: Mon-Fri, Sat, Daily")
    match = _TIMES.fullmatch(times)
    if match is None:
        raise ValueError("times are written 09:00-18:00")
    from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) > 59 or start >= _MIDNIGHT or end > _MIDNIGHT:  # noqa: PLR2004 - of a clock
        raise ValueError("a day's times go from 00:00 to 24:00")
    if start == end:
        raise ValueError("the hours begin and end at the same time; a whole day is 00:00-24:00")
    return Range(tuple(sorted(days)), start, end or _MIDNIGHT)


def _span(text: str) -> set[int]:
    if text.lower() == "daily":
        return set(range(7))
    names = [name.capitalize() for name in text.split("-")]
    if len(names) > 2 or not set(names) <= set(_DAYS):  # noqa: PLR2004 - the two ends of a span
        raise ValueError("days are Mon, Tue, Wed, Thu, Fri, Sat, Sun, a span Mon-Fri, a list Mon,Wed, or Daily")
    first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
    return {day % 7 for day in range(first, last + 1 if first <= last else last + 8)}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError("the hours end with a time zone: Europe/Madrid, America/New_York, UTC") from None


def _days_text(days: tuple[int, ...]) -> str:
    if len(days) == len(_DAYS):
        return "Daily"
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(_DAYS[run[0]] if len(run) == 1 else f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" for run in runs)


def _merged(ranges: tuple[Range, ...]) -> list[tuple[int, int]]:
    """The ranges on one week, in seconds since Monday 00:00: in order, none touching the next."""
    spans: list[tuple[int, int]] = []
    for piece in ranges:
        for day in piece.days:
            start = day * _DAY + piece.start * 60
            end = day * _DAY + piece.end * 60 + (_DAY if piece.end <= piece.start else 0)
            spans += [(start, min(end, _WEEK)), (0, end - _WEEK)] if end > _WEEK else [(start, end)]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
