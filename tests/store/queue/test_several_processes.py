"""Several processes on one PostgreSQL: nothing is leased twice, and there is no deadlock."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.fakes.postgres import Postgres
from tests.store.asks import (
    ALL,
    NOW,
    ask,
    deliveries,
    dequeue,
    failover,
    key,
    new,
    notice,
    record_outcome,
    request,
    status,
)

from assistance.model import Actor, EventType, Kind, State, Status
from assistance.store import Acceptance, Command, Erasure, FollowUp, Lease, Store, open_store

Change = Callable[[Store], Coroutine[None, None, object]]
WAITS = "wait_event_type = 'Lock'"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of an empty database."""
    name = postgres.migrated()
    yield name
    postgres.drop(name)


@pytest.fixture
def stores(postgres: Postgres, database: str) -> Iterator[list[Store]]:
    """Three stores on one database, as three processes have them."""
    opened = [open_store(postgres.at(database)) for _ in range(3)]
    yield opened
    for store in opened:
        store.close()


async def hammer(url: str, name: str, rounds: int, seed: int) -> dict[str, Any]:
    command = sys.executable, "-m", "tests.store.hammer", url, name, str(rounds), str(seed)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(printed)
    return found


@pytest.mark.parametrize("rounds", [15, pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_nothing_is_leased_twice_by_processes_that_do_everything_at_once(
    postgres: Postgres, database: str, rounds: int, record_property: Callable[[str, object], None]
):
    """Every lease has a fence of its own, no outcome is lost, and the server saw no deadlock."""
    seed = random.randrange(2**32)
    record_property("seed", seed)
    names = "abc"
    printed = await asyncio.gather(*(hammer(postgres.at(database), name, rounds, seed + ord(name)) for name in names))
    leases = Counter(tuple(lease) for each in printed for lease in each["leased"])
    assert leases
    assert [lease for lease, count in leases.items() if count > 1] == []
    stats = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'"
    assert postgres.run(stats) == [(0,)]
    doubled = "SELECT client, conversation_id FROM requests WHERE status IN ('accepted', 'notified', 'claimed')"
    doubled += " AND conversation_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
    assert postgres.run(doubled, database=database) == []
    stored = {str(row[0]) for row in postgres.run("SELECT id FROM requests", database=database)}
    assert {request_id for each in printed for request_id in each["accepted"]} == stored


async def test_a_key_used_in_several_processes_at_once_counts_once(stores: list[Store]):
    """All get the same request, whichever commits first."""
    for word in ("k1", "k2", "k3"):
        asks = [store.accept(new(of=request(), key=key(word))) for store in stores for _ in range(5)]
        accepted = await asyncio.gather(*asks)
        assert [each.how for each in accepted].count(Acceptance.CREATED) == 1
        assert len({each.request.id for each in accepted}) == 1


async def test_keys_given_in_opposite_orders_make_no_deadlock(stores: list[Store], postgres: Postgres, database: str):
    """Groups with the same keys in another order would wait for each other, if inserted in that order."""
    words = [f"k{n}" for n in range(50)]
    for _ in range(3):
        there = [stores[0].accept(new(of=request(), key=key(word))) for word in words]
        back = [stores[1].accept(new(of=request(), key=key(word))) for word in reversed(words)]
        await asyncio.gather(*there, *back)
    assert len(await stores[2].page(ALL)) == 50
    assert postgres.run(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'") == [(0,)]


async def test_a_conversation_begun_in_several_processes_at_once_is_one_request(stores: list[Store]):
    """One opens it, the others follow it up."""
    accepted = await asyncio.gather(*(ask(store, conversation_id="c") for store in stores for _ in range(5)))
    assert [each.how for each in accepted].count(Acceptance.CREATED) == 1
    [(one, _)] = await stores[0].page(ALL)
    assert (len(one.follow_ups), one.sequence) == (14, 15)


async def test_two_last_failures_in_two_processes_fail_the_request_once(stores: list[Store]):
    """Of two outcomes at the same time one sees the other."""
    for _ in range(10):
        of = request()
        await stores[0].accept(new(notice(of, 1), notice(of, 2, "sms"), of=of))
        mine, theirs = await asyncio.gather(dequeue(stores[0]), dequeue(stores[1], "sms"))
        await asyncio.gather(
            record_outcome(stores[0], mine[0], State.FAILED),
            record_outcome(stores[1], theirs[0], State.FAILED),
        )
        assert await status(stores[2], of.id) == Status.FAILED
        line = await stores[2].time_line(of.id)
        assert [event.sequence for event in line] == [1, 2, 3, 4]
        assert [event.type for event in line].count(EventType.FAILED) == 1


async def test_two_failures_in_two_processes_start_the_failover(stores: list[Store]):
    """Neither leaves it to the other."""
    for _ in range(10):
        of = request()
        await stores[0].accept(new(notice(of, 1), notice(of, 2, "sms"), failover(of, 3, step=1), of=of))
        mine, theirs = await asyncio.gather(dequeue(stores[0]), dequeue(stores[1], "sms"))
        await asyncio.gather(
            record_outcome(stores[0], mine[0], State.FAILED),
            record_outcome(stores[1], theirs[0], State.PARKED),
        )
        assert (await deliveries(stores[2], of.id))[-1].due_at < NOW + 2


def _follow_up(request_id: str) -> Change:
    return lambda store: store.change(FollowUp(Command(request_id, Actor("api", "bot"), NOW), "and my name is Ana"))


def _erase(request_id: str) -> Change:
    return lambda store: store.change(Erasure(Command(request_id, Actor("api", "op"), NOW), {"slack"}))


def _say_more(_request_id: str) -> Change:
    return lambda store: ask(store, conversation_id="c")


@pytest.mark.parametrize("change", [_follow_up, _erase, _say_more])
async def test_what_changes_while_its_notice_is_being_leased_gets_an_update(
    change: Callable[[str], Change], stores: list[Store], postgres: Postgres, database: str
):
    """The notice is sent with the old text: the change waits for the lease, and enqueues an update."""
    accepted = await ask(stores[0], conversation_id="c")
    with psycopg.connect(postgres.at(database)) as dispatcher:
        dispatcher.execute("UPDATE deliveries SET state = 'sending', fence = 1, lease_owner = 'me', lease_until = 9e9")
        changing = asyncio.create_task(change(accepted.request.id)(stores[1]))
        while not postgres.run(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND {WAITS}"):
            assert not changing.done()
            await asyncio.sleep(0)
        dispatcher.commit()
    await changing
    owed = await deliveries(stores[2], accepted.request.id)
    assert [(each.kind, each.state) for each in owed] == [(Kind.NOTICE, State.SENDING), (Kind.UPDATE, State.PENDING)]


async def test_dispatchers_share_a_pace(stores: list[Store]):
    """However many processes dequeue at once: one second's worth altogether, from the first message on."""
    for _ in range(20):
        await ask(stores[0])
    dequeues = [dequeue(store, paces={"slack": 4.0}, lease=Lease(str(place), 30)) for place, store in enumerate(stores)]
    assert sum(len(jobs) for jobs in await asyncio.gather(*dequeues)) == 4


async def test_a_store_that_others_use_is_not_exclusive(stores: list[Store]):
    """No process may recover all leases when it starts."""
    assert not any(store.exclusive for store in stores)
