"""Instants as people write them."""

from datetime import datetime

MOMENT = "a date and a time with its offset, from 1970 to 2199: 2026-11-23T10:00+01:00"
"""What `parse_moment` takes, in the words for whoever wrote something else."""

_FIRST, _LAST = 0.0, 7_258_118_400.0  # 1970 to 2200: what every calendar and clock here can still reckon with


def parse_moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 date and time with its offset: `2026-11-23T10:00+01:00`.

    Raises ValueError, in plain words.
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
