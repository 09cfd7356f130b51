"""Migrations: the tables are what the code thinks, and running them twice does no harm."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect
from tests.fakes.postgres import Postgres
from tests.store.asks import ask

from assistance.store import Park, StoreRefusedError, migrate, open_store
from assistance.store.engine import migrations
from assistance.store.engine.postgresql import migrating_engine
from assistance.store.engine.sqlite import sqlite_engines, sqlite_path
from assistance.store.tables.schema import metadata


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """The name of a database without tables."""
    name = postgres.empty()
    yield name
    postgres.drop(name)


def engine_of(url: str) -> Engine:
    return sqlite_engines(sqlite_path(url))[0] if url.startswith("sqlite") else migrating_engine(url)


def test_migrations_lead_to_what_the_code_thinks_the_tables_are(url: str):
    """Tables, columns, types, keys, comments and partial indexes."""
    migrate(url)
    engine = engine_of(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = {
            index["name"]: f"{engine.dialect.name}_where" in index.get("dialect_options", {})
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
        }
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    assert found == {index.name: index.dialect_options["sqlite"]["where"] is not None for index in indexes}
    engine.dispose()


def test_a_migration_can_be_repeated(url: str):
    """The second time there is nothing to do, and nothing is lost."""
    migrate(url)
    assert migrate(url) == (migrations.newest(), migrations.newest())


def test_a_migration_says_from_which_revision_to_which(tmp_path: Path, postgres: Postgres, empty: str):
    """From nothing to the newest."""
    newest = migrations.newest()
    assert migrate(f"sqlite:///{tmp_path}/a.db") == (None, newest)
    assert migrate(postgres.at(empty)) == (None, newest)


def test_migrations_at_the_same_time_wait_for_each_other(postgres: Postgres, empty: str):
    """Each replica of a deployment may run one: one works, the others find nothing to do."""
    with ThreadPoolExecutor(5) as threads:
        results = list(threads.map(migrate, [postgres.at(empty)] * 5))
    assert sorted(before or "" for before, _ in results) == ["", *[migrations.newest()] * 4]


async def test_the_service_goes_on_while_a_migration_runs(postgres: Postgres):
    """It takes no lock that an accept would wait for."""
    name = postgres.migrated()
    store = open_store(postgres.at(name))
    await ask(store)
    migrate(postgres.at(name))
    await ask(store)
    store.close()
    postgres.drop(name)


def test_a_migration_does_not_wait_for_ever_for_another(
    postgres: Postgres, empty: str, monkeypatch: pytest.MonkeyPatch
):
    """It says what it waited for, and leaves nothing half done."""
    quickly = ("SET LOCAL lock_timeout = '100ms'", *migrations.ALONE[1:])
    monkeypatch.setattr(migrations, "ALONE", quickly)
    with psycopg.connect(postgres.at(empty)) as other:
        other.execute(f"SELECT pg_advisory_lock({migrations.LOCK})")
        with pytest.raises(StoreRefusedError, match="lock"):
            migrate(postgres.at(empty))
    assert migrate(postgres.at(empty)) == (None, migrations.newest())


def test_a_migration_of_a_file_in_use_is_refused(tmp_path: Path):
    """The service migrates its own file."""
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    with pytest.raises(StoreRefusedError, match="in use"):
        migrate(url)
    store.close()


def downgrade(url: str, revision: str) -> Engine:
    engine, config = engine_of(url), migrations.config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    return engine


async def test_what_the_version_before_has_stored_goes_on(url: str):
    """Its requests, and what it knows of the channels."""
    migrate(url)
    store = open_store(url)
    accepted = await ask(store)
    await store.park(Park("slack", "credentials", accepted.request.created_at))
    known = await store.lane_states()
    store.close()
    downgrade(url, "0001").dispose()
    assert migrate(url) == ("0001", migrations.newest())
    store = open_store(url)
    assert await store.get(accepted.request.id) is not None
    assert await store.lane_states() == known
    store.close()


def test_a_downgrade_and_an_upgrade_lead_back(url: str):
    """Each migration can be undone."""
    migrate(url)
    engine = downgrade(url, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    assert migrate(url) == (None, migrations.newest())


def test_the_newest_file_is_where_the_migrations_lead():
    """The code finds the newest revision by the name of its file; Alembic finds the same by following them."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.newest()]
