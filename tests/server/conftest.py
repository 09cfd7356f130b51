"""What the tests of the layers share."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from assistance.telemetry import set_up_logging


@pytest.fixture
def logged() -> Iterator[Any]:
    """Call it to read what was logged since the last call."""
    receiver, sender = os.pipe()
    logs = set_up_logging(form="json", level="debug", fd=sender)

    def read() -> list[dict[str, Any]]:
        logs.flush()
        return [json.loads(line) for line in os.read(receiver, 1 << 20).decode().splitlines()]

    yield read
    logs.close()
    os.close(sender)
    os.close(receiver)
