"""This service, with everything on: token check, JSON log, metrics, commits that survive a power cut."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Call
from processes import answers, child, free_port
from pydantic_core import to_json

from assistance.security import DevelopmentIssuer
from peers import ASK, JSON, Peer, Running

_ISSUER = "http://localhost/bench"
_AUDIENCE = "bench"
FLAT_OUT = "100000/s"
SLACK = "1/s"

_ROUTING = """
channels:
  slack: {{type: slack, token: env:SLACK_TOKEN, channel: C0, api_url: "{receiver}", pace: {pace}}}
topics:
  sales: {{title: Sales, description: Quotes and contracts, steps: [{{notify: [slack]}}]}}
"""


@contextmanager
def service(
    receiver: str, folder: Path, *, pace: str = FLAT_OUT, role: str = "all", database: str | None = None
) -> Iterator[Running]:
    """One process of the service; `database` is a URL, by default an SQLite file in `folder`."""
    port, issuer = free_port(), _issuer(folder)
    (folder / "assistance.yaml").write_text(_ROUTING.format(receiver=receiver, pace=pace))
    env = {
        "ASSISTANCE_DATABASE_URL": database or f"sqlite:///{folder / 'assistance.db'}",
        "ASSISTANCE_OIDC_ISSUER": _ISSUER,
        "ASSISTANCE_OIDC_AUDIENCE": _AUDIENCE,
        "ASSISTANCE_OIDC_JWKS_URL": f"file:{folder / 'jwks.json'}",
        "ASSISTANCE_SECRET_KEY": "for this run only, and for nobody else",
        "ASSISTANCE_LOG_FORMAT": "json",
        "SLACK_TOKEN": "xoxb-bench",
    }
    command = [sys.executable, "-m", "assistance", "serve", "--port", str(port), "--role", role]
    with child(command, folder, lambda: answers(f"http://127.0.0.1:{port}/readyz"), env=env) as pid:
        token = issuer.token("request-assistance", "bot-1", now=time.time())
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        yield Running(Call(f"http://127.0.0.1:{port}/assistance", ASK, headers), [pid])


def _issuer(folder: Path) -> DevelopmentIssuer:
    folder.mkdir(parents=True, exist_ok=True)
    issuer = DevelopmentIssuer(folder, _ISSUER, _AUDIENCE)
    (folder / "jwks.json").write_bytes(to_json(issuer.jwks()))
    return issuer


@contextmanager
def _at_slacks_pace(receiver: str, folder: Path) -> Iterator[Running]:
    with service(receiver, folder, pace=SLACK) as running:
        yield running


PEER = Peer("ours", "Assistance API", service)
ACCEPTING = Peer("accepting", "Assistance API, channel at Slack's own pace", _at_slacks_pace, delivers=False)
