"""What is refused before any endpoint is called: by the header alone, or because there is too much at once."""

import re

from starlette.types import Scope

from assistance.server.problems import Problem

MAX_HEADER = 16_384
MAX_BODY = 192 * 1024
_HOST = re.compile(rb"[A-Za-z0-9.\-_~%!$&'()*+,;=:\[\]]*")
"""RFC 9112, section 3.2: a server answers 400 to a Host that is none (RFC 3986, section 3.2.2)."""
HEALTH = frozenset({"/livez", "/readyz", "/metrics", "/heartbeat"})
"""Paths that are answered however busy the process is, and that are logged at level debug."""


def closing(status: int, type_: str, detail: str, title: str | None = None) -> Problem:
    """A refusal that ends the connection: what the client still sends is not read."""
    return Problem(status, title, detail, type_=type_, headers={"Connection": "close"})


def malformed(detail: str) -> Problem:
    """The refusal of what is not proper HTTP."""
    return closing(400, "/problems/malformed-request", detail, "Malformed request")


def header_too_large() -> Problem:
    """The refusal of a header of more than `MAX_HEADER` bytes."""
    return closing(431, "/problems/header-too-large", "The header fields are larger than 16 KB.")


def body_too_large() -> Problem:
    """The refusal of a body of more than `MAX_BODY` bytes."""
    return closing(413, "/problems/body-too-large", "The body is larger than 192 KB.")


def too_busy() -> Problem:
    """The refusal of a request above what the process answers at once."""
    return Problem(
        503,
        "Too busy",
        "The service is answering as many requests as it can. Try again.",
        type_="/problems/too-busy",
        headers={"Retry-After": "1"},
    )


def objection(scope: Scope) -> Problem | None:
    """What is wrong with the header. A Content-Length that is no number, or one of several, httptools refuses."""
    size = len(scope["raw_path"]) + len(scope["query_string"])
    hosts, length = [], 0
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            length = int(value)
    if size > MAX_HEADER:
        return header_too_large()
    if len(hosts) > 1 or (not hosts and scope["http_version"] == "1.1"):
        return malformed("There must be one Host field.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return malformed("The Host field is not a host.")
    return body_too_large() if length > MAX_BODY else None
