"""What the store refuses, as problems."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistance.model import rfc3339
from assistance.server.problems import Problem
from assistance.store import ChangedError, ConflictError, NoSuchDeliveryError, NotFoundError, TooManyFollowUpsError


def not_found() -> Problem:
    """404, also for what belongs to others."""
    return Problem(404, detail="There is no such request.")


def no_such_delivery() -> Problem:
    """404, for those who may see the request and all that is owed for it."""
    return Problem(404, detail="The request has no such delivery.")


def conflict(error: ConflictError) -> Problem:
    """409: the request's state does not allow that; with `claimed_by` when somebody has it."""
    if isinstance(error, TooManyFollowUpsError):
        detail = f"That cannot be added: {error}. Once it is over, ask anew."
        return Problem(409, "Too many follow-ups", detail, type_="/problems/too-many-follow-ups")
    claim = error.claim
    more: dict[str, Any] = {} if claim is None else {"claimed_by": {"actor": claim.actor, "at": rfc3339(claim.at)}}
    return Problem(409, detail=f"That cannot be done: {error}.", type_="/problems/conflict", **more)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the store refuses inside of the block into 404, 409 or 412."""
    try:
        yield
    except NoSuchDeliveryError:
        raise no_such_delivery() from None
    except NotFoundError:
        raise not_found() from None
    except ConflictError as error:
        raise conflict(error) from None
    except ChangedError:
        raise Problem(412, detail="The request has changed since; look at it again.") from None
