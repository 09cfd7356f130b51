"""A disk whose power can be cut: a loop-mounted ext4 that is shut down as in the tests of file-system developers.

What was not flushed is lost, as after a power failure. This tests the operating system's page cache, not a disk that
does not flush its own cache. It needs Linux, root and a loop device: `unavailable` says what is missing.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event

# _IOR('X', 125, __u32) of the kernel's fs/ext4/ext4.h; the flag leaves even the journal unwritten.
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


class PowerCutDisk:
    """Files below `path` are on it."""

    def __init__(self, image: Path, path: Path) -> None:
        self._image = image
        self.path = path

    def sync(self) -> None:
        """Flush everything to the disk."""
        _run("sync", "--file-system", str(self.path))

    def cut(self) -> None:
        """Lose everything that was not flushed; from now on every access fails."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def restore(self, within: float = 10) -> None:
        """Replay the journal and mount again, as at the next boot. No file below `path` may be open."""
        deadline = time.monotonic() + within
        while subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"{self.path} is still in use"
            Event().wait(0.05)
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.path))


@contextmanager
def power_cut_disk(megabytes: int = 256) -> Iterator[PowerCutDisk]:
    """A new disk, deleted at the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="power-cut-"))
    # PostgreSQL does not run as root, and must be able to enter the folder.
    folder.chmod(0o711)
    disk = PowerCutDisk(folder / "disk.img", folder / "mounted")
    try:
        disk.path.mkdir()
        with (folder / "disk.img").open("wb") as image:
            image.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", str(folder / "disk.img"))
        disk.mount()
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk.path)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@cache
def unavailable() -> str | None:
    """Why no power cut is possible here; None when it is possible."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    try:
        with power_cut_disk(16) as disk:
            disk.cut()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no loop-mounted ext4 can be shut down here: {error}"
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
