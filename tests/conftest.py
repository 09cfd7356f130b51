"""For all tests: what a slow machine must not fail, and how a test says a figure."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

Say = Callable[[str], None]


@pytest.fixture
def say(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a figure whether or not output is captured: what a test has measured belongs into the log of CI.

    At once, so that a run that is cut off has told its seed; to standard error, which a parallel worker shares with
    who started it: its standard output nobody sees.
    """

    def print_(text: str) -> None:
        with capsys.disabled():
            print(f"\n    {request.node.name}: {text}", end="", file=sys.stderr, flush=True)  # noqa: T201

    return print_
