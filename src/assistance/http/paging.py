"""Pages by cursor: stable while new requests come in."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request

from assistance.http.problems import validation_problem

_VERSION = b"\x01"
_NOT_OURS = {"type": "assistance", "loc": ("query", "cursor"), "msg": "must be a cursor that this service gave out"}


def cursor_after(request_id: str) -> str:
    """The cursor of the page that begins after this request."""
    return urlsafe_b64encode(_VERSION + UUID(request_id).bytes).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The id of the last request of the page before. Raises a 422 problem for what we did not give out."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        last = str(UUID(bytes=raw.removeprefix(_VERSION)))
    except ValueError:
        last = ""
    if not last or cursor_after(last) != cursor:
        raise validation_problem([_NOT_OURS])
    return last


def next_link(request: Request, cursor: str) -> str:
    """The `Link` header (RFC 8288) of the next page."""
    query = {**request.query_params, "cursor": cursor}
    return f'<{request.url.path}?{urlencode(query)}>; rel="next"'
