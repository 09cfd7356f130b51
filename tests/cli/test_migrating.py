"""`migrate`."""

from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from assistance.store import open_store


async def test_a_database_gets_the_current_schema(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no setting but the database's, and may be repeated."""
    monkeypatch.setenv("ASSISTANCE_DATABASE_URL", "sqlite:///data/a.db")
    assert [(await cli("migrate")).code for _ in range(2)] == [0, 0]
    assert (place / "data" / "a.db").exists()


async def test_a_database_in_use_is_refused(cli: Cli) -> None:
    """A running service migrates its SQLite file itself; nobody else does meanwhile."""
    store = open_store("sqlite:///var/assistance.db")
    try:
        assert "in use by process" in (await cli("migrate")).failure
    finally:
        store.close()


@pytest.mark.parametrize("url", ["mysql://u:hidden@h/d", "postgresql://u:hidden@h/d", "sqlite:///"])
async def test_another_database_is_refused(cli: Cli, place: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What is no SQLite file is refused in one line, without its password, and leaves nothing behind."""
    monkeypatch.setenv("ASSISTANCE_DATABASE_URL", url)
    assert "hidden" not in (await cli("migrate")).failure
    assert list(place.iterdir()) == []
