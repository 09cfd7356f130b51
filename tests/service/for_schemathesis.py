"""For schemathesis: what it cannot know of this service."""

import uuid
from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st

# Instants of 1970 to 2199 are taken: those of the years with 365 days at most from either end, in any zone.
_INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2198, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
schemathesis.openapi.format("date-time", _INSTANTS.map(datetime.isoformat))


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Each request has a body of its own, so it needs a key of its own; what is wrong on purpose stays as it is."""
    right = case.meta is None or case.meta.generation.mode.is_positive
    if right and case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
