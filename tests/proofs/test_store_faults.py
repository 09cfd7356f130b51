"""A full disk, a failing fsync, and a database file that another process uses."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import EndedError, ServiceProcess, surroundings
from tests.proofs.clients import Clients, asks, send
from tests.proofs.crashes import Crash, drained, judged
from tests.proofs.databases import sqlite
from tests.proofs.launch import made, serving

_SYNCS = "fsync,fdatasync,msync"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB in memory; where none can be mounted the proof is skipped."""
    path = tmp_path / "small"
    path.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs Linux and root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)


async def test_a_full_disk_is_said_and_survived(small_disk: Path, tmp_path: Path, rng: random.Random, say: Say):
    """On a full disk the answer is 503 with `Retry-After`; with room again the process goes on, nothing is lost."""
    database = sqlite(small_disk)
    log = asks(400, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        before = Clients(service, log[:100])
        await before.run()
        with _full(small_disk):
            for ask in log[100:300]:
                ask.key = None
            await Clients(service, log[100:300]).run()
            refused = [ask for ask in log[100:300] if ask.status == 503]
            alive = await service.status("/livez")
        await service.when(service.ready)
        await Clients(service, log[300:]).run()
        await drained(service, database)
        findings = judged(around, log, database)
    say(f"{len(refused)} of 200 refused on a full disk: {findings}")
    assert {ask.status for ask in log[100:300]} <= {201, 503}
    assert refused
    assert all(ask.retry_after for ask in refused)
    assert alive == 200
    assert all(ask.acknowledged for ask in log[300:])
    assert findings.violations == []


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        yield
    finally:
        ballast.unlink()


async def test_a_failed_fsync_ends_the_process_and_the_next_one_is_fine(tmp_path: Path, rng: random.Random, say: Say):
    """After it the disk's content is unknown: that batch gets 503, the process ends with an error, the next goes on."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    database, log = sqlite(tmp_path), asks(60, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        await Clients(service, log[:50]).run()
        await drained(service, database)
        async with _failing_syncs(service):
            for ask in log[50:]:
                await send(service, ask)
            code = await service.ended()
        broken = service.log("store_broken")
        crash = Crash(database.in_flight(), 0, await service.start())
        again = [ask for ask in log[50:] if not ask.acknowledged]
        for ask in again:
            await send(service, ask)
        await drained(service, database)
        findings = judged(around, log, database, [crash])
    say(f"ended with {code}, {len(broken)} line(s) about it: {findings}")
    assert code == 1
    assert broken
    # What got 503 may be on the disk nevertheless; repeated without a key, it is two requests.
    assert set(findings.violations) <= {f"{ask.marker} arrived under 2 keys" for ask in again}
    assert findings.acknowledged == len(log)


@asynccontextmanager
async def _failing_syncs(service: ServiceProcess) -> AsyncIterator[None]:
    """From now on every fsync of the process fails with EIO."""
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-p", str(service.pid), "-e", f"trace={_SYNCS}", "-e", f"inject={_SYNCS}:error=EIO"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr is not None
    try:
        first = (await asyncio.wait_for(tracer.stderr.readline(), 10)).decode()
        if "attached" not in first:
            pytest.skip(f"strace may not attach here: {first.strip()}")
        saying = asyncio.create_task(tracer.stderr.read())
        yield
        await saying
    finally:
        if tracer.returncode is None:
            tracer.kill()
        await tracer.wait()


async def test_a_second_process_on_the_same_file_is_refused_in_one_line(tmp_path: Path, say: Say):
    """Two writers would damage the file: the second names the first and ends; the first goes on."""
    database = sqlite(tmp_path)
    async with surroundings(tmp_path) as around, serving(around, database) as first:
        second = made(around, database, name="second")
        with pytest.raises(EndedError):
            await second.start()
        code, said = await second.ended(), second.complaint()
        still = await first.ready()
    say(f"{code}: {said}")
    assert code == 1
    assert len(said.splitlines()) == 1
    assert str(first.pid) in said
    assert still
