"""Fixtures of all proofs: a database, a disk and a seed."""

import os
import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.powercut import PowerCutDisk, power_cut_disk, unavailable
from tests.proofs.databases import DATABASES, Database


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database for each test; each test runs on SQLite and on PostgreSQL."""
    with DATABASES[request.param](request, tmp_path) as database:
        yield database


@pytest.fixture
def disk() -> Iterator[PowerCutDisk]:
    """A disk whose power can be cut; without one the proof is skipped."""
    if reason := unavailable():
        pytest.skip(reason)
    with power_cut_disk() as disk:
        yield disk


@pytest.fixture
def rng(say: Say) -> random.Random:
    """Random numbers that can be repeated: set `ASSISTANCE_PROOF_SEED` to the seed that a run printed."""
    seed = int(os.environ.get("ASSISTANCE_PROOF_SEED") or secrets.randbits(32))
    say(f"ASSISTANCE_PROOF_SEED={seed}")
    return random.Random(seed)
