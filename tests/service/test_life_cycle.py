"""Whatever bots, people, operators and time do, in any order: the service and a plain model tell one story."""

import asyncio
import os
import secrets
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.fakes.postgres import Postgres, memory
from tests.fakes.service import outside
from tests.service.machine import Machine


# Whose time is the server's own, which the test cannot move, is followed with patience rather than exactly: not in CI.
@pytest.mark.parametrize("environ", ["sqlite", pytest.param("postgresql", marks=[pytest.mark.long])])
@pytest.mark.parametrize(
    ("examples", "steps"),
    [(6, 25), pytest.param(400, 50, marks=[pytest.mark.long, pytest.mark.timeout(7200)])],
    ids=["short", "long"],
)
def test_any_life_is_the_one_that_the_model_says(
    examples: int, steps: int, environ: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
):
    """Asks, keys, conversations, claims, conflicts, versions, expiry, restarts, broken channels: in any order."""
    number = int(os.environ.get("ASSISTANCE_PROOF_SEED") or secrets.randbits(32))
    with capsys.disabled():
        print(f"\n    {request.node.name}: ASSISTANCE_PROOF_SEED={number}", end="")  # noqa: T201
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        # To make a story shorter takes many more; CI tells the first that it finds.
        phases=(Phase.generate, *([Phase.shrink] if request.node.get_closest_marker("long") else [])),
    )
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="life-", dir=memory()) as folder:
        around = AsyncExitStack()
        try:
            Machine.runner = runner
            Machine.around = runner.run(around.enter_async_context(outside(Path(folder))))
            Machine.database = staticmethod(databases(environ, request, folder))
            run_state_machine_as_test(seed(number)(Machine), settings=limits)
        finally:
            runner.run(around.aclose())


def databases(kind: str, request: pytest.FixtureRequest, folder: str) -> Any:
    """Gives the URL of an empty database each time."""
    if kind == "sqlite":
        return lambda: f"sqlite:///{folder}/{secrets.token_hex(8)}.db"
    server: Postgres = request.getfixturevalue("postgres")

    def made() -> str:
        name = server.migrated()
        request.addfinalizer(lambda: server.drop(name))
        return server.at(name)

    return made
