"""Compares what the clients were answered, what arrived, and what is stored: the three must agree.

As Jepsen does (https://jepsen.io): it never asks the service about itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row
from tests.proofs.clients import Ask
from tests.proofs.databases import Database
from tests.proofs.sinks import Copy


@dataclass(slots=True)
class Findings:
    """`violations` is empty when every promise was kept; `lost` are acknowledged requests that are not in the store."""

    acknowledged: int = 0
    unanswered: int = 0
    delivered: int = 0
    duplicates: int = 0
    lost: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {len(self.lost)} lost, {self.delivered} delivered, "
            f"{self.duplicates} duplicates, {self.unanswered} unanswered, {len(self.violations)} violations"
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    descriptions: dict[str, str]
    notices: dict[str, Row[Any]]
    tries: Counter[str]
    events: dict[str, list[Row[Any]]]
    sequences: dict[str, int]


def check(
    log: Sequence[Ask], arrived: Sequence[Copy], database: Database, in_flight: Sequence[frozenset[str]] = ()
) -> Findings:
    """Every violated promise.

    Args:
        log: of the clients.
        arrived: at the sinks, in the order of time.
        database: read when no delivery is owed any more.
        in_flight: for each crash, the keys of the deliveries that were being sent: only these may arrive twice.
    """
    stored = _read(database)
    findings = Findings(
        acknowledged=sum(ask.acknowledged for ask in log),
        unanswered=sum(ask.status is None for ask in log),
        delivered=len({copy.key for copy in arrived}),
    )
    _acknowledged_is_stored_and_told(log, stored, findings)
    _nothing_else_arrived(log, arrived, stored, findings)
    _one_key_for_every_copy(log, arrived, findings)
    _copies_only_of_those_in_flight(arrived, in_flight, findings)
    _delivered_means_arrived(arrived, stored, findings)
    _time_lines_are_whole(stored, findings)
    return findings


def _read(database: Database) -> _Stored:
    requests = database.read("SELECT id, description, sequence FROM requests")
    events: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in database.read("SELECT request_id, sequence, type FROM events ORDER BY request_id, sequence"):
        events[str(row.request_id)].append(row)
    notices = database.read("SELECT request_id, n, state, attempts, last_error FROM deliveries WHERE kind = 'notice'")
    tries = database.read("SELECT request_id, n, count(*) AS tries FROM attempts GROUP BY request_id, n")
    return _Stored(
        {str(row.id): row.description for row in requests},
        {f"{row.request_id}.{row.n}": row for row in notices},
        Counter({f"{row.request_id}.{row.n}": row.tries for row in tries}),
        events,
        {str(row.id): row.sequence for row in requests},
    )


def _acknowledged_is_stored_and_told(log: Iterable[Ask], stored: _Stored, findings: Findings) -> None:
    by_request = defaultdict(list)
    for key, row in stored.notices.items():
        by_request[key.rpartition(".")[0]].append(row)
    for ask in log:
        if not ask.acknowledged or ask.request_id is None:
            continue
        if ask.request_id not in stored.descriptions:
            findings.lost.append(ask.request_id)
            findings.violations.append(f"{ask.marker} was acknowledged and is not stored")
        elif stored.descriptions[ask.request_id] != ask.description:
            findings.violations.append(f"{ask.marker} is stored with other words")
        elif not any(
            row.state == "delivered" or (row.state == "failed" and row.last_error) for row in by_request[ask.request_id]
        ):
            findings.violations.append(f"{ask.marker} was neither delivered nor has it failed with a reason")


def _nothing_else_arrived(log: Iterable[Ask], arrived: Iterable[Copy], stored: _Stored, findings: Findings) -> None:
    asked = {ask.marker: ask for ask in log}
    for copy in arrived:
        ask = asked.get(_marker(copy.text))
        if ask is None:
            findings.violations.append(f"{copy.key} arrived and nobody asked")
        elif ask.description not in copy.text:
            findings.violations.append(f"{copy.key} arrived with other words than were asked")
        elif copy.key not in stored.notices:
            findings.violations.append(f"{copy.key} arrived and is not stored")
        elif stored.descriptions[copy.key.rpartition(".")[0]] != ask.description:
            findings.violations.append(f"{copy.key} arrived under the key of another request")


def _one_key_for_every_copy(log: Iterable[Ask], arrived: Iterable[Copy], findings: Findings) -> None:
    keys = defaultdict(set)
    for copy in arrived:
        keys[_marker(copy.text)].add(copy.key)
    findings.violations += [
        f"{ask.marker} arrived under {len(keys[ask.marker])} keys" for ask in log if len(keys[ask.marker]) > 1
    ]


def _copies_only_of_those_in_flight(
    arrived: Iterable[Copy], in_flight: Iterable[frozenset[str]], findings: Findings
) -> None:
    allowed = Counter(key for crash in in_flight for key in crash)
    for key, number in Counter(copy.key for copy in arrived).items():
        findings.duplicates += number - 1
        if number - 1 > allowed[key]:
            findings.violations.append(f"{key} arrived {number} times and was in flight in {allowed[key]} crashes")


def _delivered_means_arrived(arrived: Iterable[Copy], stored: _Stored, findings: Findings) -> None:
    there = {copy.key for copy in arrived}
    for key, row in stored.notices.items():
        if row.state == "delivered" and key not in there:
            findings.violations.append(f"{key} is said to be delivered and never arrived")
        if row.attempts != stored.tries[key]:
            findings.violations.append(f"{key} counts {row.attempts} tries and {stored.tries[key]} are written down")


def _time_lines_are_whole(stored: _Stored, findings: Findings) -> None:
    for request_id, last in stored.sequences.items():
        rows = stored.events[request_id]
        if [row.sequence for row in rows] != list(range(1, last + 1)) or rows[0].type != "accepted":
            findings.violations.append(f"the time line of {request_id} has holes")
        if sum(row.type == "notified" for row in rows) > 1:
            findings.violations.append(f"{request_id} was notified twice by its time line")


def _marker(text: str) -> str:
    start = text.find("[")
    return text[start : text.find("]", start) + 1]
