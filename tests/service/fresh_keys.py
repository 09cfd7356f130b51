"""For schemathesis: what it asks has a body of its own, so each ask needs an idempotency key of its own."""

import uuid
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """What is wrong on purpose stays as it is."""
    right = case.meta is None or case.meta.generation.mode.is_positive
    if right and case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
