"""Bots, people, operators, time and misfortune, as Hypothesis lets them act: each answer is held against the model."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.fakes.clock import ManualClock
from tests.fakes.service import Outside, Service, inside
from tests.service.comparing import compare
from tests.service.life import FROM, Body, Kept, Life

from assistance.intake.intake import KEPT_FOR
from assistance.sandbox.slack import Fault
from assistance.sandbox.smtp import SmtpFault

CLIENTS = st.sampled_from(["bot-1", "bot-2"])
KEYS = st.sampled_from(["k1", "k2"])
BODIES = st.builds(
    lambda topic, description, more: {"topic": topic, "description": description, **more},
    st.sampled_from(["sales", "pricing"]),
    st.sampled_from(["Help, please", "¿Cuánto cuesta? 💶"]),
    st.sampled_from([{}, {}, {"conversation_id": "c1"}, {"expires_in": 3_600, "metadata": {"plan": "pro", "n": 2}}]),
)
LAYOUTS = st.sampled_from(["as it is", "spaced", "turned round"])
_RESTARTS = 2
"""In one life: they take longer than all the rest."""
SCOPES = {"messages": "request-assistance", "cancel": "request-assistance"}


class Machine(RuleBasedStateMachine):
    """Drives one service over HTTP; time goes on by rules, and a little while something is waited for."""

    runner: asyncio.Runner
    around: Outside
    database: Callable[[], AbstractContextManager[tuple[str, ManualClock]]]
    """Gives the URL of an empty database each time, and the clock that it goes by."""

    @initialize()
    def open(self) -> None:
        self.life = Life()
        self.restarts = 0
        self.stack = AsyncExitStack()
        self.beneath = ExitStack()
        self.url, self.clock = self.beneath.enter_context(self.database())
        self.around.forger = replace(self.around.forger, now=self.clock.now())
        self._mend()
        self.before = Counter(self._arrived())
        self.runner.run(self._open())

    async def _open(self) -> None:
        service = inside(self.around, clock=self.clock, ASSISTANCE_DATABASE_URL=self.url)
        self.service: Service = await self.stack.enter_async_context(service)

    def teardown(self) -> None:
        if not hasattr(self, "beneath"):
            return
        with self.beneath:
            try:
                if hasattr(self, "service"):
                    self._everything()
            finally:
                self.runner.run(self.stack.aclose())

    # What bots do.

    @rule(client=CLIENTS, key=st.none() | KEYS, body=BODIES, layout=LAYOUTS)
    def ask(self, client: str, key: str | None, body: Body, layout: str) -> None:
        """New, again under the same key, with another body, of another client, in an open conversation."""
        self._judge(client, key, body, self.runner.run(self._post(client, key, body, layout)))

    @precondition(lambda self: self.life.keys)
    @rule(data=st.data(), same=st.booleans(), layout=LAYOUTS)
    def ask_again(self, data: st.DataObject, layout: str, *, same: bool) -> None:
        """A key that was used: the same answer as long as it counts, another body is refused."""
        client, key = data.draw(st.sampled_from(list(self.life.keys)))
        body = self.life.keys[client, key].body
        body = body if same else {**body, "description": body["description"] + "!"}
        self._judge(client, key, body, self.runner.run(self._post(client, key, body, layout)))

    @rule(client=CLIENTS, body=BODIES, many=st.integers(2, 4))
    def ask_at_once(self, client: str, body: Body, many: int) -> None:
        """However many come at once with one new key: one request."""
        key = f"once-{len(self.life.keys)}"

        async def together() -> list[tuple[int, Any, Any]]:
            return list(await asyncio.gather(*(self._post(client, key, body, "as it is") for _ in range(many))))

        answers = sorted(self.runner.run(together()), key=lambda each: "Idempotency-Replayed" in each[2].headers)
        for answer in answers:
            self._judge(client, key, body, answer)

    async def _post(self, client: str, key: str | None, body: Body, layout: str) -> tuple[int, Any, Any]:
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        turned = dict(reversed(body.items())) if layout == "turned round" else body
        data = json.dumps(turned, indent=3 if layout == "spaced" else None, ensure_ascii=layout == "spaced")
        scope = "request-assistance"
        return await self.service.call(
            "POST", "/assistance", data=data.encode(), headers=headers, sub=client, scope=scope
        )

    def _judge(self, client: str, key: str | None, body: Body, answer: tuple[int, Any, Any]) -> None:
        status, said, response = answer
        now = self.clock.now()
        if kept := self.life.kept(client, key, now):
            same = kept.body == body
            assert status == (kept.status if same else 422), said
            assert ("Idempotency-Replayed" in response.headers) == same
            assert not same or said == kept.answer
            return
        joined = self.life.conversation(client, body["topic"], body.get("conversation_id"))
        assert status == (200 if joined else 201), said
        assert said["id"] == joined if joined else said["id"] not in self.life.requests
        if joined:
            self.life.requests[joined].events.append(("followed_up", f"api:{client}"))
        else:
            self.life.ask(said["id"], client, body, now)
        if key:
            self.life.keys[client, key] = Kept(body, status, said, now + KEPT_FOR)
        self._seen(said["id"])

    # What people do.

    @precondition(lambda self: self.life.requests)
    @rule(
        data=st.data(),
        what=st.sampled_from(sorted(FROM)),
        who=st.sampled_from(["desk-1", "desk-2"]),
        topic=st.sampled_from(["sales", "pricing"]),
        match=st.sampled_from(["", "", "fresh", "stale", "*"]),
    )
    def change(self, data: st.DataObject, what: str, who: str, topic: str, match: str) -> None:
        """Done where the status allows it, 409 where not, 412 for who means another version."""
        id_ = data.draw(st.sampled_from(list(self.life.requests)))
        request = self.life.requests[id_]
        actor = request.client if what in SCOPES else who
        status, said = self.runner.run(self._do(id_, what, actor, topic, match))
        refusal = self.life.refusal(id_, what, topic, stale=match == "stale")
        assert status == (refusal or 200), said
        if refusal == 409 and request.claimed_by and request.status == "claimed":
            assert said["claimed_by"]["actor"] == request.claimed_by
        if refusal is None:
            self.life.do(id_, what, f"api:{actor}", topic, self.clock.now())
        self._seen(id_)

    @precondition(lambda self: self.life.requests)
    @rule(data=st.data())
    def claim_at_once(self, data: st.DataObject) -> None:
        """Of three who claim at once, one has it if it is to be had, and everybody hears who."""
        id_ = data.draw(st.sampled_from(list(self.life.requests)))

        async def together() -> list[tuple[int, Any]]:
            return await asyncio.gather(*(self._do(id_, "claim", f"p{n}", "", "") for n in range(3)))

        answers = self.runner.run(together())
        won = [said["claimed_by"]["actor"] for status, said in answers if status == 200]
        assert len(won) == (self.life.refusal(id_, "claim", None, stale=False) is None), answers
        if won:
            self.life.do(id_, "claim", won[0], None, self.clock.now())
            assert {said["claimed_by"]["actor"] for _, said in answers} == set(won)
        self._seen(id_)

    @precondition(lambda self: self.life.requests)
    @rule(data=st.data(), what=st.sampled_from(["messages", "cancel"]))
    def meddle(self, data: st.DataObject, what: str) -> None:
        """What another client asked for is not there."""
        id_ = data.draw(st.sampled_from(list(self.life.requests)))
        assert self.runner.run(self._do(id_, what, "bot-3", "", ""))[0] == 404

    async def _do(self, id_: str, what: str, actor: str, topic: str, match: str) -> tuple[int, Any]:
        headers = {}
        if match:
            _, _, seen = await self.service.call("GET", f"/assistance/{id_}")
            headers["If-Match"] = {"fresh": seen.headers["ETag"], "stale": '"another"', "*": "*"}[match]
        body = {"reply": {"text": "soon"}, "messages": {"text": "and"}, "reroute": {"topic": topic}}.get(what)
        status, said, _ = await self.service.call(
            "POST",
            f"/assistance/{id_}/{what}",
            json=body,
            headers=headers,
            sub=actor,
            scope=SCOPES.get(what, "work-assistance"),
        )
        return status, said

    # What time, operators and misfortune do.

    @rule(seconds=st.sampled_from([7_200.0, KEPT_FOR + 1]))
    def wait(self, seconds: float) -> None:
        """Requests expire that nobody took, and keys are forgotten after a week."""
        self.clock.advance(seconds)
        self.around.forger = self.service.forger = replace(self.service.forger, now=self.clock.now())
        self.life.pass_time(self.clock.now())
        for id_ in self.life.requests:
            self._seen(id_)

    @precondition(lambda self: self.life.requests and self.restarts < _RESTARTS)
    @rule()
    def restart(self) -> None:
        """Another process on the same store knows all of it."""
        self.restarts += 1
        self.runner.run(self.stack.aclose())
        self.runner.run(self._open())
        self._everything()

    @precondition(lambda self: "failed" in {each.status for each in self.life.requests.values()})
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """What has failed is sent again by the channel tried last, unless its conversation goes on elsewhere."""
        failed = [id_ for id_, each in self.life.requests.items() if each.status == "failed"]
        id_ = data.draw(st.sampled_from(failed))
        notices = self.runner.run(self.service.call("GET", f"/assistance/{id_}"))[1]["deliveries"]
        path = f"/assistance/{id_}/deliveries/{notices[-1]['n']}/retry"
        status, said, _ = self.runner.run(self.service.call("POST", path, sub="op", scope="manage-assistance"))
        request = self.life.requests[id_]
        elsewhere = self.life.conversation(request.client, request.topic, request.conversation)
        assert status == (409 if elsewhere else 200), said
        if not elsewhere:
            request.events.append(("delivery_retried", "api:op"))
            self.life.notify(id_, ("mail",))
            self.life.pass_time(self.clock.now())
        self._seen(id_)

    @rule(channel=st.sampled_from(["slack", "mail"]))
    def break_channel(self, channel: str) -> None:
        """From now on it delivers nothing: the failover does, or the request fails."""
        self.life.broken.add(channel)
        if channel == "slack":
            self.around.slack.always(Fault(error="invalid_blocks"))
        else:
            self.around.smtp.always(SmtpFault(stage="RCPT", code=550, text="5.1.1 no such mailbox"))

    @precondition(lambda self: self.life.broken)
    @rule()
    def mend(self) -> None:
        """What has failed stays so until an operator acts."""
        self._mend()

    def _mend(self) -> None:
        self.life.broken.clear()
        self.around.slack.always(None)
        self.around.smtp.always(None)

    # What must be true.

    def _everything(self) -> None:
        for id_ in self.life.requests:
            self._seen(id_)
        listed = self.runner.run(self.service.call("GET", "/assistance?limit=200"))[1]
        assert {each["id"]: each["status"] for each in listed["data"]} == {
            id_: request.status for id_, request in self.life.requests.items()
        }
        copies = Counter(self._arrived())
        copies.subtract(self.before)
        assert set(copies.values()) <= {0, 1}, copies

    def _arrived(self) -> list[str]:
        posted = [message.payload["metadata"]["event_payload"]["key"] for message in self.around.slack.messages]
        return posted + [str(mail.message["Message-ID"]) for mail in self.around.smtp.messages]

    def _seen(self, id_: str) -> None:
        """The request, its events and its deliveries are what the model says, once all is sent that is due."""
        self.runner.run(compare(self.service, self.clock, id_, self.life.requests[id_]))
