"""One trace from the bot's call to what Slack and the mail server answered, as a collector gets it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fakes.clock import until
from tests.fakes.otlp import OtlpReceiver, attributes
from tests.fakes.service import Service, running

from assistance.app import Role
from assistance.telemetry import set_up_log_export, set_up_logging

TRACE, BOT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLING = {"traceparent": f"00-{TRACE}-{BOT}-01"}


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    async with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def logs(receiver: OtlpReceiver) -> Iterator[None]:
    """The log pipe as `serve` sets it up, to the receiver as well."""
    export, nowhere = set_up_log_export(receiver.environ, "1.0"), os.open(os.devnull, os.O_WRONLY)
    assert export is not None
    pipe = set_up_logging(form="json", level="info", fd=nowhere, export=export)
    yield
    receiver.hanging = False
    export.shutdown(0.1)
    pipe.close()
    os.close(nowhere)


@pytest.fixture
async def service(receiver: OtlpReceiver, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(tmp_path, role=Role.ALL, clock=None, **receiver.environ) as service:
        yield service


def committed(receiver: OtlpReceiver) -> Iterator[tuple[bytes, bytes]]:
    """The trace and span of every call that some transaction carried."""
    for commit in receiver.named("COMMIT"):
        yield commit.trace_id, commit.parent_span_id
        yield from ((link.trace_id, link.span_id) for link in commit.links)


def the(spans: list[Span]) -> Span:
    (span,) = spans
    return span


@pytest.mark.parametrize(
    ("topic", "channel", "client"), [("sales", "sales-slack", "POST"), ("pricing", "pricing-mail", "smtp")]
)
async def test_one_trace_leads_from_the_bot_to_the_provider(
    service: Service, receiver: OtlpReceiver, topic: str, channel: str, client: str
):
    """Accept, commit, delivery and the provider's answer are one trace, the bot's; the delivery links to the accept."""
    asked = await service.ask(topic, headers=CALLING)
    await until(lambda: receiver.named(f"deliver {channel}"))
    accept, delivery = the(receiver.named("POST /assistance")), the(receiver.named(f"deliver {channel}"))
    outgoing = the([span for span in receiver.named(client) if span.parent_span_id == delivery.span_id])
    commit = the([span for span in receiver.named("COMMIT") if span.parent_span_id == accept.span_id])
    assert {span.trace_id.hex() for span in (accept, commit, delivery, outgoing)} == {TRACE}
    assert attributes(commit)["db.system.name"] == "sqlite"
    assert (accept.parent_span_id.hex(), accept.kind) == (BOT, Span.SPAN_KIND_SERVER)
    assert (delivery.parent_span_id, delivery.kind) == (accept.span_id, Span.SPAN_KIND_CONSUMER)
    assert [(link.trace_id.hex(), link.span_id) for link in delivery.links] == [(TRACE, accept.span_id)]
    assert outgoing.kind == Span.SPAN_KIND_CLIENT
    assert attributes(accept)["http.route"] == "/assistance"
    assert attributes(delivery)["messaging.message.id"] == f"{asked['id']}.1"
    assert attributes(outgoing)["server.address"] == "127.0.0.1"


async def test_every_accept_is_linked_to_its_deliveries(service: Service, receiver: OtlpReceiver):
    """Of 200 asks at once, none is without its delivery's span, in the same trace and under the accept's span."""
    await asyncio.gather(*(service.ask("sales", f"Number {number}") for number in range(200)))
    await until(lambda: len(receiver.named("deliver sales-slack")) == 200, within=60)
    await until(lambda: len(receiver.named("POST /assistance")) == 200, within=60)
    accepts = {(span.trace_id, span.span_id) for span in receiver.named("POST /assistance")}
    await until(lambda: accepts <= set(committed(receiver)), within=60)
    delivered = {(span.trace_id, span.parent_span_id) for span in receiver.named("deliver sales-slack")}
    linked = {(link.trace_id, link.span_id) for span in receiver.named("deliver sales-slack") for link in span.links}
    assert accepts == delivered == linked


async def test_what_is_read_for_a_caller_has_a_span(service: Service, receiver: OtlpReceiver):
    """A look at a request holds the question that was put to the database."""
    asked = await service.ask("sales")
    await service.call("GET", f"/assistance/{asked['id']}")
    await until(lambda: receiver.named("GET /assistance/{request_id}"))
    look = the(receiver.named("GET /assistance/{request_id}"))
    await until(lambda: [span for span in receiver.named("SELECT") if span.parent_span_id == look.span_id])
    read = the([span for span in receiver.named("SELECT") if span.parent_span_id == look.span_id])
    assert (read.trace_id, read.kind) == (look.trace_id, Span.SPAN_KIND_CLIENT)
    assert attributes(read)["db.system.name"] == "sqlite"


async def test_the_issuers_keys_are_fetched_in_a_span(service: Service, receiver: OtlpReceiver):
    """Discovery and JWKS are two calls of ours, with the issuer's address."""
    await service.ask("sales")
    await until(lambda: len(receiver.named("GET")) >= 2)
    assert {attributes(span)["http.response.status_code"] for span in receiver.named("GET")} == {200}


async def test_health_and_heartbeats_have_no_span(service: Service, receiver: OtlpReceiver):
    """Nobody wants to read thousands of them."""
    for path in ("/livez", "/readyz", "/heartbeat", "/heartbeat/private", "/heartbeat/scoped/"):
        await service.call("GET", path)
    async with service.session.get(f"{service.url}/metrics") as answer:
        assert answer.status == 200
    await service.call("GET", "/topics")
    await until(lambda: receiver.named("GET /topics"))
    assert {span.name for span in receiver.spans if span.kind == Span.SPAN_KIND_SERVER} == {"GET /topics"}


async def test_spans_hold_nothing_that_people_wrote(service: Service, receiver: OtlpReceiver):
    """No path, query, description, token or secret is in any span, log record or metric that goes out."""
    await service.ask("sales", "canary-description", conversation_id="canary-conversation", metadata={"a": "canary-m"})
    await service.call("GET", "/assistance?conversation_id=canary-query&canary-name")
    await service.call("GET", "/act/canary-path")
    await service.call("POST", "/assistance", data=b'{"canary-body')
    await until(lambda: receiver.named("deliver sales-slack") and receiver.named("GET"))
    await until(lambda: receiver.metrics and receiver.logs)
    everything = b"".join(receiver.bodies)
    assert b"canary" not in everything
    assert b"xoxb-test" not in everything
    assert b"url.query" not in everything


async def test_logs_and_metrics_reach_the_collector_as_well(service: Service, receiver: OtlpReceiver):
    """The accept's figures arrive with the next export, its log line with the trace and the span that it belongs to."""
    await service.ask("sales", headers=CALLING)
    await until(lambda: "assistance_accept_seconds" in receiver.metrics)
    await until(lambda: receiver.named("POST /assistance"))
    accept = the(receiver.named("POST /assistance"))
    await until(lambda: [line for line in receiver.logs if line.span_id == accept.span_id])
    assert {line.trace_id.hex() for line in receiver.logs if line.span_id == accept.span_id} == {TRACE}


async def test_without_an_endpoint_the_bots_context_goes_on_all_the_same(tmp_path: Path, receiver: OtlpReceiver):
    """Tracing off: nothing is exported, the row carries the bot's own context, and so does the call to Slack."""
    async with running(tmp_path) as service:
        asked = await service.ask("sales", headers=CALLING)
        await service.when(asked["id"], "notified")
        seen = await service.house.store.get(asked["id"])
        assert seen is not None
        assert seen[0].traceparent == CALLING["traceparent"]
        other = await service.ask("sales", headers={"traceparent": "canary"})
        seen = await service.house.store.get(other["id"])
        assert seen is not None
        assert seen[0].traceparent is None
    assert not receiver.spans
    assert not receiver.metrics


async def test_the_bots_word_on_sampling_counts(service: Service, receiver: OtlpReceiver):
    """A trace that the bot does not sample has no span here, and none of its delivery either."""
    asked = await service.ask("sales", headers={"traceparent": CALLING["traceparent"][:-2] + "00"})
    await service.when(asked["id"], "notified")
    await service.ask("pricing")
    await until(lambda: receiver.named("deliver pricing-mail"))
    assert not receiver.named("deliver sales-slack")
