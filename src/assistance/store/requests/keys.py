"""Idempotency keys: what was answered to each, for as long as it counts."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_

from assistance.store.tables.schema import idempotency

KnownKeys = dict[tuple[str, str], dict[str, Any]]
"""The rows of `idempotency`, by client and key."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's word that two calls are one; `fingerprint` is that of the body, `expires_at` an instant."""

    key: str
    fingerprint: bytes
    expires_at: float


def known_keys(connection: Connection, keys: Collection[tuple[str, str]], now: float) -> KnownKeys:
    """What is known of these keys, each a client and a key; those whose time is over are deleted."""
    if not keys:
        return {}
    query = select(idempotency).where(tuple_(idempotency.c.client, idempotency.c.key).in_(sorted(set(keys))))
    known = {(row["client"], row["key"]): dict(row) for row in connection.execute(query).mappings()}
    over = [key for key, row in sorted(known.items()) if row["expires_at"] <= now]
    if over:
        connection.execute(_forgetting, [{"_client": client, "_key": key, "_now": now} for client, key in over])
    return {key: row for key, row in known.items() if row["expires_at"] > now}


_forgetting = delete(idempotency).where(
    idempotency.c.client == bindparam("_client"),
    idempotency.c.key == bindparam("_key"),
    idempotency.c.expires_at <= bindparam("_now"),
)


def write_keys(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Remember new keys. Another process that writes one of them is waited for; then it is an IntegrityError."""
    if rows:
        connection.execute(insert(idempotency), sorted(rows, key=lambda row: (row["client"], row["key"])))
