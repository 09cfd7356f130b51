"""Child processes: started, waited for, measured, ended by their id."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_LOOK_EVERY = 0.005
_PATIENCE = 5.0


class BenchError(Exception):
    """What was to be measured does not run; the text says why in one line."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_until(happened: Callable[[], bool], seconds: float, *, every: float = _LOOK_EVERY) -> bool:
    """Look every few milliseconds; whether it happened within `seconds`."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def answers(url: str) -> bool:
    """Whether GET `url` is answered with a status below 300."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False


def listens(port: int) -> bool:
    """Whether somebody listens on that port of 127.0.0.1."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def child(
    command: Sequence[str | Path],
    folder: Path,
    ready: Callable[[], bool],
    *,
    env: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> Iterator[int]:
    """Run a command in `folder` while inside; its process id, once it is ready.

    What it says goes to a file in `folder`, as a service's log would. `env` comes on top of a nearly empty environment.

    Raises:
        BenchError: it ends, or is not ready within `seconds`.
    """
    said = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**_environment(), **(env or {})}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        if not wait_until(lambda: process.poll() is not None or ready(), seconds) or process.poll() is not None:
            last = said.read_text(errors="replace").strip().splitlines()[-1:]
            raise BenchError(f"{Path(command[0]).name} does not start: {' '.join(last)}")
        yield process.pid
    finally:
        _end(process)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask once, ask twice (some services drain after the first time), then insist."""
    family = tree(process.pid)
    for patience in (1.0, _PATIENCE):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    for pid in reversed(family):
        if pid != process.pid and _started_by(pid, family):
            _kill(pid)
    if process.poll() is None:
        process.kill()
    process.wait()


def _started_by(pid: int, family: Sequence[int]) -> bool:
    """Whether it is still the same process: a child of the family, or an orphan of it."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return False
    return parent in family or parent == 1


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill(pids: Sequence[int]) -> None:
    """`kill -9`, children first."""
    for pid in pids:
        for each in reversed(tree(pid)):
            _kill(each)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for each in children.read_text().split():
                found += tree(int(each))
    return found


def megabytes(pids: Sequence[int]) -> float:
    """Memory of these processes and all below them, what they share counted once (PSS)."""
    total = 0
    for each in {one for pid in pids for one in tree(pid)}:
        with suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def cpu_seconds(pids: Sequence[int]) -> float:
    """Time that these processes and all below them have spent on a processor."""
    ticks = 0
    for each in {one for pid in pids for one in tree(pid)}:
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
