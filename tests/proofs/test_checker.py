"""The checker itself: a correct run passes, and every kind of violation is found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from tests.proofs.checker import Findings, check
from tests.proofs.clients import Ask
from tests.proofs.databases import Database
from tests.proofs.sinks import Copy

STORED = """
    CREATE TABLE requests (id, description, sequence);
    CREATE TABLE deliveries (request_id, n, kind, state, attempts, last_error);
    CREATE TABLE attempts (request_id, n);
    CREATE TABLE events (request_id, sequence, type);
    INSERT INTO requests VALUES ('r1', '[1] help', 2), ('r2', '[2] help', 2);
    INSERT INTO deliveries VALUES ('r1', 1, 'notice', 'delivered', 1, NULL), ('r2', 1, 'notice', 'delivered', 1, NULL);
    INSERT INTO attempts VALUES ('r1', 1), ('r2', 1);
    INSERT INTO events VALUES ('r1', 1, 'accepted'), ('r1', 2, 'notified'), ('r2', 1, 'accepted'), ('r2', 2, 'notified')
"""
LOG = [Ask(f"[{n}]", "sales", f"[{n}] help", None, status=201, request_id=f"r{n}") for n in (1, 2)]
ARRIVED = [Copy("r1.1", "[1] help", 1.0), Copy("r2.1", "[2] help", 2.0)]


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Findings]:
    """What the checker finds in a correct run that is changed by statements, other copies or crashes."""
    engine = create_engine(f"sqlite:///{tmp_path}/story.db", poolclass=NullPool)

    def judge(more: str = "", arrived: list[Copy] = ARRIVED, in_flight: list[frozenset[str]] | None = None) -> Findings:
        with engine.begin() as connection:
            for statement in [*STORED.split(";"), *filter(None, more.split(";"))]:
                connection.execute(text(statement))
        return check(LOG, arrived, Database("", 0, lambda: engine), in_flight or [])

    return judge


def test_a_true_story_passes(judge: Callable[..., Findings]):
    """All that was acknowledged is stored and arrived once: no violation."""
    findings = judge()
    assert findings.violations == findings.lost == []
    assert (findings.acknowledged, findings.delivered, findings.duplicates) == (2, 2, 0)


def test_a_message_in_flight_may_arrive_twice(judge: Callable[..., Findings]):
    """A second copy is counted; it is a violation unless a crash interrupted its sending."""
    findings = judge(arrived=[*ARRIVED, replace(ARRIVED[0], at=3.0)], in_flight=[frozenset({"r1.1"})])
    assert (findings.violations, findings.duplicates) == ([], 1)


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ("DELETE FROM requests WHERE id = 'r1'; DELETE FROM deliveries WHERE request_id = 'r1'", "is not stored"),
        ("UPDATE requests SET description = '[1] other' WHERE id = 'r1'", "with other words"),
        ("UPDATE deliveries SET state = 'failed' WHERE request_id = 'r1'", "neither delivered nor"),
        ("UPDATE deliveries SET attempts = 2 WHERE request_id = 'r1'", "counts 2 tries"),
        ("DELETE FROM events WHERE request_id = 'r1' AND sequence = 1", "has holes"),
        ("INSERT INTO events VALUES ('r1', 3, 'notified'); UPDATE requests SET sequence = 3 WHERE id = 'r1'", "twice"),
    ],
)
def test_a_store_that_tells_another_story_is_found(more: str, seen: str, judge: Callable[..., Findings]):
    """Requests that are lost, changed, undelivered without a reason, miscounted, or with a gap in the time line."""
    assert any(seen in text_ for text_ in judge(more).violations)


@pytest.mark.parametrize(
    ("arrived", "seen"),
    [
        (ARRIVED[:1], "never arrived"),
        ([*ARRIVED, Copy("r3.1", "[3] help", 3.0)], "nobody asked"),
        ([*ARRIVED, Copy("r9.1", "[1] help", 3.0)], "under 2 keys"),
        ([*ARRIVED, Copy("r1.1", "[2] help", 3.0)], "another request"),
        ([ARRIVED[0], Copy("r2.1", "[2] hel", 2.0)], "other words"),
        ([*ARRIVED, ARRIVED[0]], "arrived 2 times"),
    ],
)
def test_a_sink_that_tells_another_story_is_found(arrived: list[Copy], seen: str, judge: Callable[..., Findings]):
    """Messages missing, never requested, under a wrong or another's key, cut short, or twice without a crash."""
    assert any(seen in text_ for text_ in judge(arrived=arrived).violations)
