import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.routing.files import DAY, ENVIRON, GOOD, MONDAY_TEN

from assistance.channels import channel_class
from assistance.model import Condition, When
from assistance.routing import Problem, Routing, RoutingError, Step, Topic, load, parse_hours
from assistance.settings import Secret

Loaded = Callable[[str], Routing]


def test_topics_are_read_as_written_under_their_lower_case_names(routing: Routing) -> None:
    """Every key of a topic and of its steps arrives, with the defaults of the contract."""
    assert routing.topic("SALES") == Topic(
        name="sales",
        title="Sales desk",
        description="Quotes, contracts and upgrades",
        hours=parse_hours("Mon-Fri 09:00-18:00 Europe/Madrid"),
        steps=(
            Step(("sales-slack", "lines")),
            Step(("pricing-mail",), 60.0, Condition.UNDELIVERED),
            Step(("sales-slack",), 600.0, Condition.UNCLAIMED, When.OPEN),
        ),
        expected_response=900.0,
        expires_in=2 * DAY,
    )
    assert routing.topic("pricing") == Topic("pricing", "pricing", "", None, (Step(("pricing-mail",)),), None, 7 * DAY)
    assert routing.topic("parking") is None


def test_channels_are_the_classes_of_their_types_with_their_settings(routing: Routing) -> None:
    """A channel of the file is an instance of its type's class, its secrets looked up."""
    slack = routing.channels["sales-slack"]
    assert isinstance(slack, channel_class("slack"))
    assert (slack.messages_per_second, slack.retry_for) == (2.0, 3600.0)
    assert [secret.reveal() for secret in slack.secrets()] == [ENVIRON["SLACK_TOKEN"]]
    assert dict(routing.channel_types) == {"sales-slack": "slack", "pricing-mail": "email", "lines": "log"}
    assert routing.warnings == ()


def test_callbacks_and_tests_are_read(routing: Routing) -> None:
    """Callbacks are complete; route tests know their lines and moments."""
    callback = routing.callbacks["shop-bot"]
    assert (callback.url, callback.events) == ("https://bot.example/hooks/assistance", ["claimed", "expired"])
    assert callback.secrets == [Secret("env:SHOP_BOT_SECRET", ENVIRON["SHOP_BOT_SECRET"])]
    assert callback.clients == ["bot-1@clients"]
    assert list(map(str, callback.allow)) == ["127.0.0.0/8"]
    line, first = routing.tests[0]
    assert (first.topic, first.at, line) == ("sales", MONDAY_TEN, GOOD[: GOOD.index("- topic")].count("\n") + 1)


def test_a_callback_gets_all_events_by_default(loaded: Loaded) -> None:
    """Without `events` all four are meant, without `allow` no private network."""
    text = GOOD.replace("    events: [claimed, expired]\n", "").replace("    allow: [127.0.0.0/8]\n", "")
    callback = loaded(text).callbacks["shop-bot"]
    assert callback.events == ["claimed", "replied", "resolved", "expired"]
    assert callback.allow == []


def test_secrets_that_are_not_there_are_warnings_with_their_lines(file: Path) -> None:
    """Each missing reference is named once and points at the line where it is written."""
    routing = load(file, {"SMTP_URL": ENVIRON["SMTP_URL"]})
    assert routing.missing_secrets == ("env:SLACK_TOKEN", "env:SHOP_BOT_SECRET")
    assert [str(warning) for warning in routing.warnings] == [
        f"{file}:4: channels.sales-slack.token: env:SLACK_TOKEN is not set",
        f"{file}:37: callbacks.shop-bot.secrets: env:SHOP_BOT_SECRET is not set",
    ]


def test_a_signing_key_that_is_short_is_a_warning(file: Path) -> None:
    """It is said at the callback's secrets, without the key."""
    (warning,) = load(file, {**ENVIRON, "SHOP_BOT_SECRET": "whsec_Y2FuYXJ5"}).warnings
    assert warning.text.endswith("the key behind env:SHOP_BOT_SECRET is short: at least 24 bytes are advised")
    assert warning.line == 37


def test_a_channel_that_no_topic_uses_is_a_warning(loaded: Loaded) -> None:
    """It is named at its own line."""
    routing = loaded(GOOD.replace("topics:\n", "  spare:\n    type: log\ntopics:\n", 1))
    assert [(warning.line, warning.text) for warning in routing.warnings] == [
        (15, "channels.spare: no topic uses this channel")
    ]


def test_channels_can_be_pointed_elsewhere_before_they_are_built(file: Path) -> None:
    """`redirect` gets type and settings, and what it returns is what counts; what it refuses is a problem."""

    def redirect(type_: str, raw: dict[str, Any]) -> dict[str, Any]:
        if type_ == "log":
            raise ValueError("not here")
        return {**raw, "api_url": "http://127.0.0.1:1/api/"} if type_ == "slack" else raw

    with pytest.raises(RoutingError) as caught:
        load(file, ENVIRON, redirect=redirect)
    assert [(problem.line, problem.text) for problem in caught.value.problems] == [(13, "channels.lines: not here")]

    file.write_text(GOOD.replace("  lines:\n    type: log\n", "").replace("lines, ", "").replace(", lines", ""))
    routing = load(file, ENVIRON, redirect=redirect)
    assert routing.public()["channels"]["sales-slack"]["api_url"] == "http://127.0.0.1:1/api/"


def test_what_is_shown_of_the_configuration_is_json_without_any_secret(routing: Routing) -> None:
    """References stand for secrets; everything else is there."""
    text = json.dumps(routing.public())
    assert not any(value in text for value in ENVIRON.values())
    assert "canary" not in text
    public = json.loads(text)
    assert public["channels"]["sales-slack"]["type"] == "slack"
    assert public["channels"]["sales-slack"]["token"] == "env:SLACK_TOKEN"
    assert public["callbacks"]["shop-bot"]["secrets"] == ["env:SHOP_BOT_SECRET"]
    assert public["topics"]["sales"]["steps"][1] == {
        "notify": ["pricing-mail"],
        "after": 60.0,
        "if": "undelivered",
        "when": "both",
    }


def test_a_password_that_stands_in_a_url_is_not_shown(loaded: Loaded) -> None:
    """A URL with user and password is shown without them."""
    channel = "    channel: C088LDVP40K\n"
    text = GOOD.replace(channel, f"{channel}    api_url: https://me:canary@slack.example/api/\n")
    try:
        shown = json.dumps(loaded(text).public())
    except RoutingError as refused:
        shown = str(refused)
    assert "canary" not in shown


def test_another_content_has_another_digest(loaded: Loaded) -> None:
    """Equal bytes have equal digests, others do not."""
    assert loaded(GOOD).digest == loaded(GOOD).digest != loaded(GOOD + "\n").digest


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(ENVIRON)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_taken_or_refused_with_problems(file: Path, data: st.DataObject) -> None:
    """Any value in any place of the file: a routing, or problems of one line each with a line number; never a crash."""
    tree = yaml.safe_load(GOOD.replace("2026-11-23T10:00+01:00", "'2026-11-23T10:00+01:00'"))
    node = tree
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], (dict, list)) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(values)
    file.write_text(json.dumps(tree), encoding="utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        json.dumps(load(file, ENVIRON).public())
    except RoutingError as refused:
        problems = refused.problems
    assert all(problem.line >= 1 and len(str(problem).splitlines()) == 1 for problem in problems)


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed that brings the channel type `fragile`."""
    info = tmp_path / "fragile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[assistance.channels]\nfragile = tests.routing.fragile:Fragile\ngone = tests.routing.gone:Gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"type": "gone"}, "channels.x.type: the channel type gone cannot be loaded: ModuleNotFoundError"),
        ({"boom": "bug"}, "channels.x: cannot be read: its Fragile fails with ZeroDivisionError"),
        ({"boom": "secret"}, "channels.x: env:GONE is not set"),
        ({"nested": {"wrong": 1}}, "channels.x.nested.wrong: unknown key"),
        (
            {"many": [{"inner": "a"}]},
            "channels.x.many #1.inner: must be a valid integer",
        ),
    ],
)
def test_a_channel_of_another_package_can_break_nothing(
    file: Path, another_package: None, written: Mapping[str, Any], says: str
) -> None:
    """Whatever its validation raises becomes a problem of the file, and nested settings get the same words."""
    channel = json.dumps({"type": "fragile", **written})
    file.write_text(f"channels:\n  x: {channel}\ntopics:\n  a: {{steps: [{{notify: [x]}}]}}\n", encoding="utf-8")
    with pytest.raises(RoutingError) as caught:
        load(file, {})
    assert [problem.text.partition(", ")[0] for problem in caught.value.problems] == [says]
