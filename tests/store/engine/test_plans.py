"""Query plans: what is asked often is found by an index, however much there is beside it."""

import json
import re
from typing import Any, Self

import pytest
from sqlalchemy import Engine, event, text
from tests.store.asks import NOW, WEEK, ask, dequeue, key, new, notice, record_outcome, request

from assistance.model import Actor, State, Status
from assistance.store import (
    STUCK,
    Command,
    DeliveryFilter,
    Erasure,
    NewRequest,
    Park,
    Recovery,
    RequestFilter,
    Store,
    Unpark,
)

DONE = 20_000
"""Rows that are over: enough for a planner to prefer an index."""


class Statements:
    """The statements that a store runs, with their values."""

    def __init__(self, store: Store) -> None:
        self.seen: list[tuple[str, Any]] = []
        self._engines = store.database.writing, store.database.reading
        self._store = store

    def __enter__(self) -> Self:
        for engine in self._engines:
            event.listen(engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines:
            event.remove(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:  # noqa: FBT001
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")) and " FROM " in f"{statement} FROM ":
            self.seen.append((statement, values[0] if many else values))

    def plans(self, table: str) -> str:
        """The query plans of those that touch the table."""
        found = [one for one in self.seen if re.search(rf"(FROM|UPDATE) {table}\b", one[0])]
        assert found
        return "\n".join(_plan(self._engines[0], *one) for one in found)


def _plan(engine: Engine, statement: str, values: Any) -> str:
    postgresql = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        prefix = "EXPLAIN (FORMAT JSON)" if postgresql else "EXPLAIN QUERY PLAN"
        rows = connection.exec_driver_sql(f"{prefix} {statement}", values).all()
        connection.rollback()
    return json.dumps(rows[0][0]) if postgresql else "\n".join(row[3] for row in rows)


def scans(plans: str, table: str) -> list[str]:
    """The places at which a whole table is read."""
    whole = rf'"Seq Scan", [^{{]*?"Relation Name": "{table}"|SCAN {table}(?! USING| AS)'
    return re.findall(whole, plans)


@pytest.fixture
async def full(store: Store) -> Store:
    """A store with much that is over, and a little of everything that waits."""
    engine = store.database.writing
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), {"now": NOW, "done": DONE})
    for n in range(20):
        await store.accept(new(of=request(conversation_id=f"c{n}"), key=key(f"k{n}")))
        await ask(store, "mail", at=NOW + 1000)
    await ask(store, "broken")
    await store.park(Park("broken", "credentials", NOW))
    if engine.dialect.name == "postgresql":
        # As its autovacuum does; SQLite has no statistics.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    return store


_SERIES = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :done)"
_ID = "'fe000000-0000-7000-8000-' || substr('000000000000' || CAST(n AS text), length(CAST(n AS text)) + 1)"
_FILL = (
    f"""{_SERIES} INSERT INTO requests (id, client, topic, topic_title, status, priority, created_at, expires_at,
        conversation_id, sequence) SELECT {{id}}, 'bot', 'sales', '', 'resolved', 'normal', :now, :now,
        'c' || (n % 100), 1 FROM s""",
    f"""{_SERIES} INSERT INTO deliveries (request_id, n, channel, kind, step, person, condition, opening, rank, state,
        due_at, owed_since, attempts, fence, short) SELECT {{id}}, 1, 'slack', 'notice', 0, true, 'always', 'both', 1,
        'delivered', :now, :now, 1, 1, false FROM s""",
    f"""{_SERIES} INSERT INTO events (request_id, sequence, type, at, data)
        SELECT {{id}}, 1, 'accepted', :now, '{{{{}}}}' FROM s""",
    f"""{_SERIES} INSERT INTO idempotency (client, key, fingerprint, request_id, status, answer, expires_at)
        SELECT 'bot', 'k' || (1000 + n), '', {{id}}, 201, '', :now + 1000 FROM s""",
)


@pytest.fixture(autouse=True)
def _ids(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = f"CAST({_ID} AS uuid)" if store.database.writing.dialect.name == "postgresql" else _ID
    monkeypatch.setattr(f"{__name__}._FILL", tuple(each.format(id=cast) for each in _FILL))


async def test_a_dequeue_reads_what_is_due_only(full: Store):
    """By the index of what waits on its channel, for each rank."""
    with Statements(full) as statements:
        jobs = await dequeue(full, "slack", "mail", paces={"slack": 1000.0})
    assert len(jobs) == 10
    plans = statements.plans("deliveries")
    assert "deliveries_due" in plans
    assert not scans(plans, "deliveries")
    assert not scans(statements.plans("requests"), "requests")


async def test_the_channels_with_something_waiting_are_found_without_reading_it(full: Store):
    """One step in the index for each channel."""
    with Statements(full) as statements:
        assert await full.waiting_channels() == ["mail", "slack"]
        assert await full.parked_channels() == ["broken"]
    plans = statements.plans("deliveries")
    assert "deliveries_due" in plans
    assert "deliveries_parked" in plans
    assert not scans(plans, "deliveries")


async def test_an_outcome_finds_its_rows_by_their_keys(full: Store):
    """In deliveries and requests, whatever it is."""
    jobs = await dequeue(full)
    with Statements(full) as statements:
        for job, state in zip(jobs, [State.DELIVERED, State.FAILED, State.PARKED, State.RETRYING], strict=False):
            await record_outcome(full, job, state)
    assert not scans(statements.plans("deliveries"), "deliveries")
    assert not scans(statements.plans("requests"), "requests")


async def test_an_accept_looks_up_its_key_and_conversation_only(full: Store):
    """However many requests its client has."""
    with Statements(full) as statements:
        await full.accept(new(of=request(conversation_id="c1"), key=key("k1")))
        await full.accept(new(of=request(conversation_id="c1"), key=key("k99")))
    plans = statements.plans("requests")
    assert "requests_open_conversation" in plans
    assert not scans(plans, "requests")
    assert not scans(statements.plans("idempotency"), "idempotency") or "sqlite" not in str(full.database.writing.url)


async def test_the_sweeps_read_what_may_concern_them_only(full: Store):
    """Expiry, leases that are over, parking and freeing."""
    await dequeue(full)
    with Statements(full) as statements:
        await full.recover(Recovery(NOW + 1))
        await full.expire(NOW + WEEK)
        await full.park(Park("slack", "credentials", NOW + 1))
        await full.unpark(Unpark("broken", NOW + 1))
    plans = statements.plans("deliveries")
    for index in ("deliveries_leased", "deliveries_due", "deliveries_parked"):
        assert index in plans
    assert not scans(plans, "deliveries")
    expiry = statements.plans("requests")
    assert "requests_expiring" in expiry
    assert not scans(expiry, "requests")


async def test_what_is_to_be_erased_is_found_by_its_age(full: Store):
    """Not by reading all that is kept."""
    with Statements(full) as statements:
        await full.retain(NOW)
    assert "requests_not_erased" in statements.plans("requests")
    assert not scans(statements.plans("requests"), "requests")


@pytest.mark.parametrize(
    "query",
    [
        RequestFilter(50),
        RequestFilter(50, client="bot"),
        RequestFilter(50, status=Status.FAILED),
        RequestFilter(50, conversation_id="c1"),
        RequestFilter(50, client="bot", conversation_id="c1"),
        RequestFilter(50, topics=frozenset({"sales"})),
        RequestFilter(50, client="bot", topics=frozenset({"sales", "pricing"})),
        RequestFilter(50, client="bot", before=notice(request(), 1).request_id),
    ],
    ids=lambda query: re.sub(r"\w+=None,? ?|limit=50,? ?|before='[^']*'|{.*}|[^\w=]", "", str(query)) or "all",
)
async def test_a_page_is_read_in_the_order_of_an_index(full: Store, query: RequestFilter):
    """No list sorts or reads everything there is."""
    with Statements(full) as statements:
        await full.page(query)
    plans = statements.plans("requests")
    assert not scans(plans, "requests")
    assert not scans(plans, "events")


@pytest.mark.parametrize("states", [STUCK, frozenset({State.FAILED})], ids=len)
async def test_what_is_stuck_is_found_among_all_that_is_over(full: Store, states: frozenset[State]):
    """By the index of what is stuck, in the order of the list."""
    with Statements(full) as statements:
        await full.deliveries(DeliveryFilter(50, states))
    plans = statements.plans("deliveries")
    assert "deliveries_stuck" in plans
    assert not scans(plans, "deliveries")
    assert "Sort" not in plans
    assert "TEMP B-TREE" not in plans


async def test_the_oldest_unclaimed_is_found_without_reading_those_after_it(full: Store):
    """One step in the index for each topic, and one for its oldest: nothing may be claimed for days."""
    with Statements(full) as statements:
        assert (await full.backlog(NOW)).oldest_unclaimed.keys() == {"sales"}
    plans = statements.plans("requests")
    assert "requests_untaken" in plans
    assert not scans(plans, "requests")


async def test_an_erasure_finds_the_answers_given_by_their_request(full: Store):
    """Not by reading all answers that its client got within a week."""
    asked = request()
    await full.accept(NewRequest(asked, (notice(asked, 1),), lambda *_: b"{}", key("k")))
    with Statements(full) as statements:
        await full.change(Erasure(Command(asked.id, Actor("api", "op"), NOW), frozenset()))
    plans = statements.plans("idempotency")
    assert "idempotency_by_request" in plans
    assert not scans(plans, "idempotency")


async def test_a_plan_that_reads_everything_is_recognised(store: Store):
    """The tests above would see it."""
    found = _plan(store.database.reading, "SELECT * FROM requests WHERE correlation_id = 'x'", ())
    assert scans(found, "requests")
