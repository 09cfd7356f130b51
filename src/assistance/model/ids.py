"""Identifiers: UUID version 7 (RFC 9562, section 5.7), whose order is the order of creation."""

import os

_BYTES = 10
_AT_ONCE = 1_024
_unused: list[bytes] = []
"""Random parts of ids to come. Race: `list.pop` is atomic, so threads may share them."""


def _random_part() -> bytes:
    """Ten random bytes, read from the system for many ids at a time.

    Interpreter lock (GIL): each read releases it, and a busy process waits longer for the lock than for the bytes.
    """
    try:
        return _unused.pop()
    except IndexError:
        pool = os.urandom(_BYTES * _AT_ONCE)
        _unused.extend(pool[start : start + _BYTES] for start in range(_BYTES, len(pool), _BYTES))
        return pool[:_BYTES]


def uuid7(now: float) -> str:
    """A UUIDv7 whose first 48 bits are `now` (seconds since the epoch) in milliseconds."""
    value = (int(now * 1000) & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(_random_part(), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def first_uuid7(at: float) -> str:
    """The smallest UUIDv7 of that millisecond, for comparing ids with an instant; out of range, the nearest."""
    digits = f"{min(max(int(at * 1000), 0), 0xFFFF_FFFF_FFFF):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
