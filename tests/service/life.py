"""What a request may go through, in plain words: the model that the service is compared with."""

from dataclasses import dataclass, field
from typing import Any

WEEK = 7 * 86_400.0
CHANNELS = {"sales": ("slack", "mail"), "pricing": ("mail",)}
"""The channels of a topic; the second of two when the first cannot deliver."""
OPEN = {"accepted", "notified", "claimed"}
FROM = {
    "claim": {"accepted", "notified"},
    "release": {"claimed"},
    "resolve": OPEN,
    "cancel": OPEN,
    "reply": OPEN,
    "messages": OPEN | {"failed"},
    "reroute": OPEN | {"failed"},
}
"""The statuses from which each thing may be done."""
HAPPENED = {
    "claim": "claimed",
    "release": "released",
    "resolve": "resolved",
    "cancel": "cancelled",
    "reply": "replied",
    "messages": "followed_up",
    "reroute": "rerouted",
}
SAID = {*HAPPENED.values(), "accepted", "expired", "delivery_retried"}
"""Events that people, bots, operators and time make; the others come of sending."""

Body = dict[str, Any]


@dataclass
class Request:
    """One request as it must be."""

    client: str
    topic: str
    conversation: str | None
    expires_at: float
    status: str = "accepted"
    notified: bool = False
    claimed_by: str | None = None
    events: list[tuple[str, str | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Kept:
    """What an idempotency key is worth."""

    body: Body
    status: int
    answer: Any
    expires_at: float


@dataclass
class Life:
    """Everything that was asked; `broken` are the channels that take nothing."""

    requests: dict[str, Request] = field(default_factory=dict)
    keys: dict[tuple[str, str], Kept] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def kept(self, client: str, key: str | None, now: float) -> Kept | None:
        """What was answered to the key, as long as it counts."""
        found = self.keys.get((client, key or ""))
        return found if found and found.expires_at > now else None

    def conversation(self, client: str, topic: str, name: str | None) -> str | None:
        """The open request that a call for this conversation joins."""
        same = (
            id_
            for id_, each in self.requests.items()
            if (each.client, each.topic, each.conversation) == (client, topic, name) and each.status in OPEN
        )
        return next(same, None) if name is not None else None

    def ask(self, id_: str, client: str, body: Body, now: float) -> None:
        """A new one is accepted, and people are notified at once."""
        expires_at = now + body.get("expires_in", WEEK)
        request = Request(client, body["topic"], body.get("conversation_id"), expires_at)
        request.events.append(("accepted", f"api:{client}"))
        self.requests[id_] = request
        self.notify(id_)

    def notify(self, id_: str, channels: tuple[str, ...] | None = None) -> None:
        """A person is notified, or nobody can be."""
        request = self.requests[id_]
        request.notified = bool(set(channels or CHANNELS[request.topic]) - self.broken)
        request.status = "notified" if request.notified else "failed"

    def refusal(self, id_: str, what: str, topic: str | None, *, stale: bool) -> int | None:
        """The status with which it is refused, if it is."""
        request = self.requests[id_]
        if request.status not in FROM[what]:
            return 409
        if stale:
            return 412
        if what != "reroute" or topic is None:
            return None
        elsewhere = self.conversation(request.client, topic, request.conversation)
        return 409 if request.topic == topic or elsewhere else None

    def do(self, id_: str, what: str, actor: str, topic: str | None, now: float) -> None:
        """It was not refused."""
        request = self.requests[id_]
        request.events.append((HAPPENED[what], actor))
        if what == "claim":
            request.status, request.claimed_by = "claimed", actor
        elif what == "release":
            request.status, request.claimed_by = "notified", None
            self.pass_time(now)
        elif what in {"resolve", "cancel"}:
            request.status = HAPPENED[what]
        elif what == "reroute":
            assert topic is not None
            request.topic, request.claimed_by = topic, None
            self.notify(id_)

    def pass_time(self, now: float) -> None:
        """What nobody took in its time expires."""
        for request in self.requests.values():
            if request.status in {"accepted", "notified"} and request.expires_at <= now:
                request.status = "expired"
                request.events.append(("expired", None))
