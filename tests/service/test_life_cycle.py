"""Whatever bots, agents, operators and time do, in any order: the service and a plain model agree."""

import asyncio
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.conftest import Say
from tests.fakes.clock import ManualClock, SharedClock
from tests.fakes.postgres import Postgres, memory
from tests.fakes.service import outside
from tests.service.machine import Machine


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("examples", "steps"),
    [(6, 25), pytest.param(400, 50, marks=[pytest.mark.long, pytest.mark.timeout(7200)])],
    ids=["short", "long"],
)
def test_any_life_is_the_one_that_the_model_says(
    examples: int, steps: int, kind: str, request: pytest.FixtureRequest, say: Say
):
    """Asks, keys, conversations, claims, conflicts, versions, expiry, restarts, broken channels: in any order."""
    number = int(os.environ.get("ASSISTANCE_PROOF_SEED") or secrets.randbits(32))
    say(f"ASSISTANCE_PROOF_SEED={number}")
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        # Shrinking takes many more runs; CI reports the first failure that it finds.
        phases=(Phase.generate, *([Phase.shrink] if request.node.get_closest_marker("long") else [])),
    )
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="life-", dir=memory()) as folder:
        around = AsyncExitStack()
        try:
            Machine.runner = runner
            Machine.around = runner.run(around.enter_async_context(outside(Path(folder))))
            Machine.database = staticmethod(databases(kind, request, folder))
            run_state_machine_as_test(seed(number)(Machine), settings=limits)
        finally:
            runner.run(around.aclose())


def databases(
    kind: str, request: pytest.FixtureRequest, folder: str
) -> Callable[[], AbstractContextManager[tuple[str, ManualClock]]]:
    """Makes an empty database each time, and the clock that it goes by."""
    if kind == "sqlite":
        return lambda: nullcontext((f"sqlite:///{folder}/{secrets.token_hex(8)}.db", ManualClock()))
    server: Postgres = request.getfixturevalue("postgres")

    @contextmanager
    def made() -> Iterator[tuple[str, ManualClock]]:
        name = server.migrated()
        try:
            # On PostgreSQL the house goes by the server's clock: where that stood still, no week would pass.
            yield server.at(name), SharedClock(server.stop_clock(name, ManualClock.BEGIN))
        finally:
            server.drop(name)

    return made
