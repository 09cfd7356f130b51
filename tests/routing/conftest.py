from collections.abc import Callable
from pathlib import Path

import pytest
from tests.routing.files import ENVIRON, GOOD

from assistance.routing import Routing, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a routing file that is there and good."""
    path = tmp_path / "assistance.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def loaded(file: Path) -> Callable[[str], Routing]:
    """Loads a text as a routing file."""

    def from_text(text: str) -> Routing:
        file.write_text(text, encoding="utf-8")
        return load(file, ENVIRON)

    return from_text


@pytest.fixture
def routing(file: Path) -> Routing:
    """The good routing file, loaded."""
    return load(file, ENVIRON)
