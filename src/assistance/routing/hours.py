"""Opening hours and moments as people write them.

Why not a library: those for opening hours read OpenStreetMap's or iCalendar's grammar, which is more to learn than this
line, and do not find the next opening when the clocks change.

Opening hours: `Mon-Fri 09:00-13:00, Mon-Thu 15:00-18:00 Europe/Madrid`.

    hours  = range *("," range) zone        zone: a name of the IANA time zone database
    range  = [days] from "-" to             without days: those of the range before it
    days   = "Daily" / day *("," day)       day: Mon, or a span Mon-Fri (Sat-Mon goes over the week's end)
    from   = HH:MM                          00:00 to 23:59
    to     = HH:MM                          00:01 to 24:00; not after `from`: on the next day

The hours are local time in that zone. So an hour that summer time leaves out is never open, and one that comes twice is
open twice.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

MOMENT = "a date and a time with its offset, from 1970 to 2199: 2026-11-23T10:00+01:00"
"""What `parse_moment` reads, in words for its error messages."""

_FIRST, _LAST = 0.0, 7_258_118_400.0  # 1970 to 2200: within the range of every calendar and clock in use here

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


@dataclass(frozen=True)
class Hours:
    """When a topic is open. `text` and `str` are what `parse_hours` has read."""

    ranges: tuple[Range, ...]
    zone: ZoneInfo
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """The ranges on one week, in seconds since Monday 00:00: in order, none touching the next."""
        return _merged(self.ranges)

    @property
    def whole_week(self) -> bool:
        """Whether it never closes."""
        return self._spans == [(0, _WEEK)]

    def is_open(self, at: float) -> bool:
        """Whether `at` (seconds since the epoch) lies within the hours."""
        return self._open_at_local(self._local(int(at // 1)))

    def next_open(self, at: float) -> float | None:
        """The first opening after `at`, None when it is open at `at`."""
        second = int(at // 1)
        while not self._open_at_local(local := self._local(second)):
            second = self._advance(second, local)
        return None if second <= at else float(second)

    def _local(self, second: int) -> int:
        """The seconds since Monday 00:00 that the wall clock shows."""
        local = datetime.fromtimestamp(second, self.zone)
        return local.weekday() * _DAY + local.hour * 3600 + local.minute * 60 + local.second

    def _open_at_local(self, local: int) -> bool:
        return any(start <= local < end for start, end in self._spans)

    def _advance(self, second: int, local: int) -> int:
        """A later second with no opening between: the next start, a day later, or an earlier change of the clocks."""
        start = next((start for start, _ in self._spans if start > local), self._spans[0][0] + _WEEK)
        step = min(start - local, _DAY)

        def changed(seconds: int) -> bool:
            return (self._local(second + seconds) - local - seconds) % _WEEK != 0

        return second + (bisect_left(range(step), True, key=changed) if changed(step) else step)  # noqa: FBT003


def parse_hours(text: str) -> Hours:
    """Read the hours. Raises ValueError in words for the operator."""
    *_, zone = text.split() or [""]
    ranges = text.strip().removesuffix(zone).strip()
    if not re.search(r"\d", ranges):
        raise ValueError("hours are days, times and a time zone: Mon-Fri 09:00-18:00 Europe/Madrid")
    return Hours(_ranges(ranges), _zone(zone), " ".join(text.split()))


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


def _merged(ranges: tuple[Range, ...]) -> list[tuple[int, int]]:
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


def parse_moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 date and time with its offset: `2026-11-23T10:00+01:00`.

    Raises ValueError in words for the writer.
    """
    refusal = f"a moment is {MOMENT}"
    try:
        moment = datetime.fromisoformat(text)
        offset = moment.utcoffset()
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        raise ValueError(refusal) from None
    if offset is None or not _FIRST <= seconds < _LAST:
        raise ValueError(refusal)
    return seconds
