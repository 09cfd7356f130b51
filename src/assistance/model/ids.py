"""Identifiers: UUID version 7 (RFC 9562, section 5.7), whose order is the order of creation."""

import os


def uuid7(now: float) -> str:
    """A UUIDv7 whose first 48 bits are `now` (seconds since the epoch) in milliseconds."""
    value = (int(now * 1000) & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
