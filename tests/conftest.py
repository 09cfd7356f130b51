"""For all tests: what a slow machine must not fail, and what must have the machine to itself."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_HERE = Path(__file__).parent
_ALONE = (
    "proofs",
    "observing/test_cost_of_tracing.py",
    "deploy/test_edge_service.py",
    "deploy/test_edge_limits.py",
    "http/test_protocol.py",
)
"""They measure time, or print figures that belong into the log of CI, which parallel workers do not show."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests below `_ALONE`."""
    for item in items:
        if any(item.path.is_relative_to(_HERE / place) for place in _ALONE):
            item.add_marker(pytest.mark.alone)
