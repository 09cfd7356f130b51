from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.dispatch.stage import Stage, set_up


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The engine, running, with the channels `slack` and `mail` and the topic `sales` that notifies `slack`."""
    stage = set_up(tmp_path / "a.db")
    await stage.start()
    yield stage
    await stage.end()
    stage.store.store.close()
    stage.metrics.shutdown()
