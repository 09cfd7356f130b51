"""Seeing that a file has changed, whatever replaced it: a write, a rename over it, a link or folder above it swapped.

It looks, many times a second, instead of asking the kernel to tell: notifications follow an inode rather than a path,
do not come from network disks and bind mounts of virtual machines, and flood where a database lives in the same folder.
One look costs some microseconds.
"""

import os
from pathlib import Path

LOOK_EVERY = 0.2
"""Seconds between two looks. A change counts once two looks in a row have found the same: the writer is done."""

Sight = tuple[int, ...] | None


def look(path: Path) -> Sight:
    """What tells one state of the file from another; None while it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the same, without building a Path's result
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Watched:
    """One file, looked at again and again."""

    def __init__(self, path: Path) -> None:
        """Take the file as it is now for known."""
        self._path = path
        self._known = self._last = look(path)

    def changed(self) -> bool:
        """Look; whether the file has come to rest in a state not yet known. A file that is away has not changed."""
        sight = look(self._path)
        at_rest = sight is not None and sight == self._last
        self._last = sight
        if not at_rest or sight == self._known:
            return False
        self._known = sight
        return True
