"""What the far side said when it took a call."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assistance.model import Reason, TryLater


class _Object(dict[str, Any]):
    """A JSON object whose missing key is the far side's fault, not a bug of the channel that asked for it."""

    def __missing__(self, key: str) -> Any:
        raise TryLater(Reason.UNREADABLE_ANSWER, code=f"no {key}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer. `complete` is false when it was longer than allowed and `body` is only its start."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True
    retry_after: float | None = None

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Raises TryLater when there is none, or when a key that is asked for is not."""
        try:
            found = json.loads(self.body, object_hook=_Object) if self.complete else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise TryLater(Reason.UNREADABLE_ANSWER, code=str(self.status))
        return found
