"""No secret and nothing that a customer wrote is in logs, metrics or refusals, whatever fails."""

import json
import random
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme
from tests.conftest import Say
from tests.fakes.process import SECRET_KEY, SLACK_TOKEN, ServiceProcess, surroundings
from tests.fakes.tls import server_context
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

from assistance.sandbox.slack import Fault
from assistance.sandbox.smtp import FakeSmtp, SmtpFault

WORDS = "canary-words-7d1"
PASSWORD = "canary-password-93b"
"""Every other secret and every text of a customer contains one of these."""

_FULL: dict[str, Any] = {
    "topic": "sales",
    "description": f"{WORDS} description <b>",
    "conversation_id": f"{WORDS}-conversation",
    "customer": {"name": f"{WORDS} name", "email": f"{WORDS}@example.com", "phone": f"{WORDS}-phone"},
    "links": [{"label": f"{WORDS} label", "url": f"https://example.com/{WORDS}"}],
    "metadata": {"note": f"{WORDS} value"},
}


def _bodies() -> Iterator[bytes]:
    """A valid call of each kind, and calls with a mistake in each part."""
    wrong = [
        {**_FULL, "topic": f"{WORDS}-topic"},
        {**_FULL, "description": 7, "callback": WORDS},
        {**_FULL, "description": f"{WORDS}\0"},
        {**_FULL, "links": [{"label": WORDS, "url": f"javascript:{WORDS}"}]},
        {**_FULL, "metadata": {"deep": {WORDS: WORDS}}},
        {**_FULL, "priority": WORDS, "expires_in": WORDS, "customer": [WORDS]},
        {**_FULL, "conversation_id": WORDS * 40},
        [WORDS],
    ]
    good = [
        {**_FULL, "topic": topic, "conversation_id": f"{WORDS} {n}"} for topic in ("sales", "pricing") for n in range(5)
    ]
    yield from (json.dumps(body).encode() for body in (*good, *wrong))
    yield from (f'{{"topic": "{WORDS}'.encode(), f'{{"description": "{WORDS}", "description": "{WORDS}"}}'.encode())
    yield from (b'{"description": "' + WORDS.encode() + b'\xff"}', json.dumps(WORDS * 20_000).encode())


async def _wrong_in_every_way(service: ServiceProcess) -> list[bytes]:
    """The text of the answer."""
    around = service.around
    stranger = around.forger.token(aud=WORDS, scope=WORDS)
    keys = ("k1", "k1", f"{WORDS} with blanks")
    answers = [await _call(service, "POST", "/assistance", data=body) for body in _bodies()]
    answers += [await _call(service, "POST", "/assistance", key=key, data=next(_bodies())) for key in keys]
    answers += [await _call(service, "POST", "/assistance", bearer=token) for token in (stranger, PASSWORD, "")]
    answers += [
        await _call(service, "GET", path)
        for path in (f"/assistance?cursor={WORDS}", f"/{WORDS}", f"/assistance/{WORDS}")
    ]
    answers += [await _call(service, WORDS.upper(), "/assistance")]
    return [answer for status, answer in answers if status >= 400]


async def _call(
    service: ServiceProcess,
    method: str,
    path: str,
    *,
    bearer: str | None = None,
    key: str | None = None,
    data: bytes = b"{}",
) -> tuple[int, bytes]:
    token = service.around.bearer["Authorization"] if bearer is None else f"Bearer {bearer}"
    headers = {"Authorization": token, "Content-Type": "application/json", "Cookie": f"session={PASSWORD}"}
    headers |= {} if key is None else {"Idempotency-Key": key}
    async with service.around.session.request(method, service.url + path, data=data, headers=headers) as answer:
        return answer.status, await answer.read()


@ONE_IN_CI
async def test_no_secret_and_no_word_of_a_customer_is_told(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """After a run with every kind of failure, no canary is in the log, the metrics or a refusal."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    # Without TLS the channel would not log in.
    encrypted = FakeSmtp(starttls=server_context(authority, "127.0.0.1"), users={"ana": PASSWORD})
    async with surroundings(tmp_path) as around, encrypted as smtp:
        options = {"SMTP_URL": smtp.url, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        options |= {"ASSISTANCE_SECRET_KEY": SECRET_KEY, "ASSISTANCE_LOG_LEVEL": "debug"}
        async with serving(around, database, **options) as service:
            # One fault for each of the first messages, whose next try is within 2 s.
            echo = json.dumps({"ok": False, "error": WORDS, "token": SLACK_TOKEN}).encode()
            around.slack.script(Fault(raw=echo), Fault(raw=echo[:20]), Fault(status=500, raw=echo), Fault(drop=True))
            smtp.script(
                SmtpFault(stage="DOT", code=451, text=f"{WORDS} {PASSWORD}"), SmtpFault(stage="MAIL", drop=True)
            )
            refusals = await _wrong_in_every_way(service)
            await service.when(lambda: _tried(service))
            texts = {path: (await _call(service, "GET", path))[1] for path in ("/metrics", "/-/config", "/-/channels")}
            service.signal(signal.SIGTERM)
            assert await service.ended() == 0
            log = service.said.read_bytes()
        texts |= {"refusals": b"\n".join(refusals), "log": log, "errors": service.complained.read_bytes()}
        leaks = _leaks(texts, around.bearer["Authorization"].split()[1])
    say(f"{len(log.splitlines())} log lines, {len(refusals)} refusals, {sum(map(len, texts.values()))} bytes: {leaks}")
    assert len(refusals) > 12
    assert len(smtp.messages) > 0
    assert leaks == []


async def _tried(service: ServiceProcess) -> bool:
    """Whether every fault has happened and a message has arrived nevertheless."""
    return len(service.log("delivery_retrying")) >= 6 and len(service.log("delivery_delivered")) >= 6


def _leaks(texts: dict[str, bytes], bearer: str) -> list[str]:
    """Each canary found and where: in clear, or encoded as in HTTP and SMTP."""
    canaries = {"words": WORDS, "password": PASSWORD, "Slack token": SLACK_TOKEN, "secret key": SECRET_KEY}
    canaries |= {"bearer token": bearer, "signature": bearer.rpartition(".")[2]}
    canaries |= {"password in base64": b64encode(PASSWORD.encode()).decode()[:-4]}
    return [
        f"{name} in {place}: …{text[max(0, at - 80) : at + 40]!r}"
        for name, canary in canaries.items()
        for place, text in texts.items()
        if (at := text.lower().find(canary.lower().encode())) >= 0
    ]


def test_the_search_finds_what_is_there():
    """The search above finds a canary in the log, also in capitals and in base64."""
    log = f"{WORDS.upper()} AUTH {b64encode(PASSWORD.encode()).decode()}".encode()
    assert len(_leaks({"log": log}, "a.b.c")) == 3
