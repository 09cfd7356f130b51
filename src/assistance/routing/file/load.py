"""From the file to a `Routing`, or to all of its problems at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from assistance.channels import Channel
from assistance.model import When
from assistance.routing.file.checks import contradictions, doubts, failed_tests
from assistance.routing.file.document import Document, read
from assistance.routing.file.entries import Entries, Redirect
from assistance.routing.file.schema import (
    KEY_BYTES,
    Callback,
    FileEntry,
    RouteTest,
    StepEntry,
    TopicEntry,
    signing_key,
)
from assistance.routing.problem import Problem, RoutingError
from assistance.routing.routing import Routing, Step, Topic


def load(path: Path, environ: Mapping[str, str], *, redirect: Redirect | None = None) -> Routing:
    """Read, check and freeze the routing file, and run its tests.

    Args:
        path: the file.
        environ: where `env:NAME` is looked up. A variable that is not set is a warning.
        redirect: given a channel's type and settings, the settings to use instead of them.

    Raises:
        RoutingError: it cannot be used; the error holds every problem.
    """
    document = read(path)
    entries = Entries(document, environ)
    entries.read(FileEntry, document.data, ())
    channels, types = _channels(entries, redirect)
    topics = _topics(entries, channels)
    callbacks = _callbacks(entries)
    tests = _tests(entries, document)
    digest = hashlib.sha256(document.content).hexdigest()
    routing = Routing(
        str(path), digest, topics, channels, types, callbacks, tests, tuple(entries.warnings), entries.missing
    )
    failed = [Problem(routing.file, line, text) for line, text in failed_tests(routing)]
    if problems := [*entries.problems, *failed]:
        raise RoutingError(problems)
    return routing


def _channels(entries: Entries, redirect: Redirect | None) -> tuple[dict[str, Channel], dict[str, str]]:
    channels: dict[str, Channel] = {}
    types: dict[str, str] = {}
    for name, raw in entries.named("channels"):
        channel = entries.channel(name, raw, redirect)
        if channel is not None:
            channels[name], types[name] = channel, raw["type"]
            entries.warn_of_missing(channel.secrets(), ("channels", name), raw)
    return channels, types


def _topics(entries: Entries, channels: Mapping[str, Channel]) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    written: dict[str, str] = {}
    silent = {name for name, channel in channels.items() if not channel.person}
    used: set[str] = set()
    for name, raw in entries.named("topics"):
        twin = written.setdefault(name.lower(), name)
        if twin != name:
            entries.refuse(("topics", name), f"differs from the topic {twin} only in upper and lower case")
        topic = _topic(entries, name, raw, silent)
        if topic is not None:
            topics[topic.name] = topic
            used |= {channel for step in topic.steps for channel in step.notify}
    for name in sorted(channels.keys() - used):
        entries.warn(("channels", name), "no topic uses this channel")
    return topics


def _topic(entries: Entries, name: str, raw: object, silent: set[str]) -> Topic | None:
    where = ("topics", name)
    entry = entries.read(TopicEntry, raw, where)
    items = entries.listed((*where, "steps"), raw)
    steps = [entries.read(StepEntry, item, (*where, "steps", index)) for index, item in enumerate(items)]
    if entry is None:
        return None
    if not steps:
        entries.refuse((*where, "steps"), "a topic needs at least one step")
    for below, text in contradictions(entry, steps):
        entries.refuse((*where, *below), text)
    readable = [step for step in steps if step is not None]
    if not steps or len(readable) < len(steps):
        return None
    for below, text in doubts(entry, readable, silent):
        entries.warn((*where, *below), text)
    frozen = tuple(
        Step(tuple(step.notify), step.after, step.condition, When.BOTH if entry.hours is None else step.when)
        for step in readable
    )
    title = entry.title or name
    return Topic(name.lower(), title, entry.description, entry.hours, frozen, entry.expected_response, entry.expires_in)


def _callbacks(entries: Entries) -> dict[str, Callback]:
    callbacks: dict[str, Callback] = {}
    channels = dict(entries.named("channels"))
    for name, raw in entries.named("callbacks"):
        where = ("callbacks", name)
        if name in channels:
            entries.refuse(where, "a channel has this name already")
        callback = entries.read(Callback, raw, where)
        if callback is not None:
            callbacks[name] = callback
            entries.warn_of_missing(callback.secrets, where, raw)
            for secret in callback.secrets:
                if not secret.missing and len(signing_key(secret)) < KEY_BYTES:
                    text = f"the key behind {secret.source} is short: at least {KEY_BYTES} bytes are advised"
                    entries.warn((*where, "secrets"), text)
    return callbacks


def _tests(entries: Entries, document: Document) -> tuple[tuple[int, RouteTest], ...]:
    tests = []
    for index, raw in enumerate(entries.listed(("tests",), document.data)):
        test = entries.read(RouteTest, raw, ("tests", index))
        if test is not None:
            tests.append((document.line(("tests", index)), test))
    return tuple(tests)
