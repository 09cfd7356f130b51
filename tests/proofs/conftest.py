"""What every proof starts from: a database and a seed."""

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
    """Empty, one for each test, and each test once for every kind."""
    with DATABASES[request.param](request, tmp_path) as database:
        yield database


@pytest.fixture
def disk() -> Iterator[PowerCutDisk]:
    """A disk of its own; the proof is skipped where none can be had."""
    if reason := unavailable():
        pytest.skip(reason)
    with power_cut_disk() as disk:
        yield disk


@pytest.fixture
def rng(say: Say) -> random.Random:
    """Chance that can be had again: `ASSISTANCE_PROOF_SEED` repeats a run."""
    seed = int(os.environ.get("ASSISTANCE_PROOF_SEED") or secrets.randbits(32))
    say(f"ASSISTANCE_PROOF_SEED={seed}")
    return random.Random(seed)
