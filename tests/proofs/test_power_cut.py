"""The power is cut under load: what was acknowledged is on the disk. A kill cannot show this."""

import random
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.powercut import PowerCutDisk
from tests.proofs.databases import sqlite
from tests.proofs.power_cuts import over_power_cuts

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("cuts", [2, pytest.param(10, marks=LONG), pytest.param(200, marks=LONG)])
async def test_what_was_acknowledged_before_a_power_cut_is_delivered(
    cuts: int, disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """Nothing acknowledged is lost when everything that was not flushed is lost."""
    findings = await over_power_cuts(sqlite(disk.path), disk, tmp_path, cuts, rng)
    say(f"{cuts} power cuts: {findings}")
    assert findings.violations == []


async def test_the_power_cut_finds_a_database_that_does_not_wait_for_the_disk(
    disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """With the planted `synchronous=NORMAL`, acknowledged requests are lost, and the checker finds it."""
    findings = await over_power_cuts(sqlite(disk.path), disk, tmp_path, 1, rng, "normal_sync")
    say(f"planted synchronous=NORMAL, 1 power cut: {findings}")
    assert findings.lost
