from collections.abc import Callable
from pathlib import Path

import pytest
from tests.routing.files import ENVIRON, GOOD

from assistance.routing import Routing, RoutingError, load

Loaded = Callable[[str], Routing]


def problems(loaded: Loaded, text: str) -> list[tuple[int, str]]:
    with pytest.raises(RoutingError) as caught:
        loaded(text)
    return [(problem.line, problem.text) for problem in caught.value.problems]


def changed(*replacements: tuple[str, str]) -> tuple[str, int]:
    """The good file with replacements, and the line of the first."""
    text = GOOD
    for old, new in replacements:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text, GOOD[: GOOD.index(replacements[0][0])].count("\n") + 1


ONE_AT_A_TIME = [
    # what stands in the good file, what stands there instead, what the problem says
    ("    channel: C088LDVP40K", "    chanel: C088LDVP40K", "unknown key; did you mean channel?"),
    ("type: slack", "type: slak", "unknown type slak; did you mean slack?"),
    ("type: slack", "type: 5", "type is missing or no text"),
    ("token: env:SLACK_TOKEN", "token: xoxb-1-clear", "a secret must be a reference, env:NAME or file:PATH"),
    ("token: env:SLACK_TOKEN", "token: 5", "must be text"),
    ("pace: 2/s", "pace: 2", "a pace is a number above zero per unit: 1/s, 20/m"),
    ("retry_for: 1h", "retry_for: 1 hour", "a duration is a number and a unit"),
    ("title: Sales desk", "titel: Sales desk", "unknown key; did you mean title?"),
    ("title: Sales desk", "title: [5]", "must be text"),
    ("hours: Mon-Fri 09:00-18:00 Europe/Madrid", "hours: Mon-Fri 9-18 Europe/Madrid", "times are written 09:00-18:00"),
    ("hours: Mon-Fri 09:00-18:00 Europe/Madrid", "hours: 5", "hours are days, times and a time zone"),
    ("expected_response: 15m", "expected_response: 0s", "must be longer than nothing"),
    ("expires_in: 2d", "expires_in: 400d", "at most 366d"),
    ("expires_in: 2d", "expires_in: 2", "a duration is a number and a unit"),
    ("- notify: [sales-slack, lines]", "- notify: [sales-slak, lines]", "unknown channel sales-slak; did you mean"),
    ("- notify: [sales-slack, lines]", "- notify: [lines, lines]", "names the same one twice"),
    ("- notify: [sales-slack, lines]", "- notify: []", "needs at least 1"),
    ("- notify: [sales-slack, lines]", "- notify: sales-slack", "must be a list"),
    ("- notify: [sales-slack, lines]", "- sales-slack", "must hold keys and values"),
    ("- notify: [sales-slack, lines]", "- after: 5s", "notify is missing"),
    ("after: 60s", "after: 60", "a duration is a number and a unit"),
    ("after: 60s", f"after: {'9' * 400}s", "at most 366d"),
    ("after: 60s", "afterwards: 60s", "unknown key; did you mean after?"),
    ("if: undelivered", "if: unread", "must be one of: always, undelivered, unclaimed"),
    ("when: open", "when: opened", "must be one of: open, closed, both"),
    ("url: https://bot.example/hooks/assistance", "url: ftp://bot.example/", "must be a URL"),
    ("url: https://bot.example/hooks/assistance", "url: https://bot.example:99999/", "must be a URL"),
    ("url: https://bot.example/hooks/assistance", "url: https://user:pw@bot.example/", "no user or password"),
    ("secrets: [env:SHOP_BOT_SECRET]", "secrets: [whsec_abc]", "a secret must be a reference"),
    ("secrets: [env:SHOP_BOT_SECRET]", "secrets: [env:SLACK_TOKEN]", "does not hold whsec_"),
    ("secrets: [env:SHOP_BOT_SECRET]", "secrets: []", "needs at least 1"),
    ("events: [claimed, expired]", "events: [claimed, read]", "must be one of: claimed, replied, resolved, expired"),
    ("clients: [bot-1@clients]", "clients: []", "needs at least 1"),
    ("allow: [127.0.0.0/8]", "allow: [127.0.0.1/8]", "must be a network: 127.0.0.0/8"),
    ("allow: [127.0.0.0/8]", "allow: [169.254.169.254/32]", "the metadata service is never reached"),
    ("- topic: SALES", "- topic: sails", "unknown topic sails; did you mean sales?"),
    ("at: 2026-11-23T10:00+01:00", "at: 2026-11-23T10:00", "a moment is a date and a time with its offset"),
    ("at: 2026-11-23T10:00+01:00", "at: 9999-12-31T23:59-12:00", "a moment is a date and a time with its offset"),
    ("priority: urgent", "priority: high", "must be one of: normal, urgent"),
    ("expect: [lines, sales-slack]", "expect: [line, sales-slack]", "unknown channel line; did you mean lines?"),
    ("callbacks:", "callback:", "unknown key; did you mean callbacks?"),
]


@pytest.mark.parametrize(("old", "new", "says"), ONE_AT_A_TIME, ids=[new.strip()[:40] for _, new, _ in ONE_AT_A_TIME])
def test_each_mistake_is_reported_at_its_line(loaded: Loaded, old: str, new: str, says: str) -> None:
    """Where a mistake is put into the good file, a problem points at exactly that line."""
    text, line = changed((old, new))
    found = problems(loaded, text)
    assert [said for at, said in found if at == line and says in said], found


def test_all_mistakes_are_reported_in_one_go(loaded: Loaded) -> None:
    """The mistakes of the table, put into one file, are found together, each at its line."""
    # Under a wrong name, or with a wrong type, nothing further can be read.
    chosen = {old: (new, says) for old, new, says in ONE_AT_A_TIME if old not in {"callbacks:", "type: slack"}}
    text, wanted = GOOD, []
    for old, (new, says) in chosen.items():
        text = text.replace(old, new, 1)
        wanted.append((GOOD[: GOOD.index(old)].count("\n") + 1, says))
    found = problems(loaded, text)
    assert not [(line, says) for line, says in wanted if not any(at == line and says in said for at, said in found)]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("channels: {}\ntopics: {}\n", 2, "needs at least 1"),
        ("topics:\n  a:\n    steps: []\n", 3, "a topic needs at least one step"),
        ("channels: {}\ntopics:\n  a:\n    title: A\n", 3, "steps is missing"),
        ("channels: {}\ntopics:\n  a:\n", 3, "must hold keys and values"),
        ("channels: 5\ntopics:\n  a: {steps: [{notify: [x]}]}\n", 1, "must hold keys and values"),
        ("channels:\n  x: {type: log}\ntopics:\n  a b: {steps: [{notify: [x]}]}\n", 4, "a name is up to 64 letters"),
        (
            "channels:\n  x: {type: log}\ntopics:\n  a: {steps: [{notify: [x]}]}\n  A: {steps: [{notify: [x]}]}\n",
            5,
            "only in upper and lower case",
        ),
        (
            "channels:\n  x: {type: log}\ntopics:\n  a: {steps: [{notify: [x]}]}\ncallbacks:\n  x: {}\n",
            6,
            "a channel has this name already",
        ),
    ],
)
def test_a_file_that_lacks_the_needful_is_refused(loaded: Loaded, text: str, line: int, says: str) -> None:
    """No topic, no step, names that clash or cannot be used."""
    found = problems(loaded, text)
    assert [said for at, said in found if at == line and says in said], found


@pytest.mark.parametrize(
    ("topic", "step", "says"),
    [
        ("", "{notify: [a], when: closed}", "the topic has no hours, so it never closes"),
        ("hours: Daily 00:00-24:00 UTC", "{notify: [a], when: closed}", "cover the whole week"),
        ("hours: Mon-Sun 12:00-11:59, 11:59-12:00 UTC", "{notify: [a], when: closed}", "cover the whole week"),
        ("", "{notify: [a], if: undelivered}", "nothing comes before the first step"),
        ("", "{notify: [a], if: undelivered, after: 60s}", "nothing comes before the first step"),
        ("", "{notify: [a], if: unclaimed}", "nothing comes before the first step"),
    ],
)
def test_a_step_that_can_never_run_or_has_nothing_to_look_at_is_refused(
    loaded: Loaded, topic: str, step: str, says: str
) -> None:
    """Contradictions between a step and its topic are found at the step."""
    text = f"channels:\n  a: {{type: log}}\ntopics:\n  t:\n    title: T\n    {topic}\n    steps:\n      - {step}\n"
    ((line, said),) = problems(loaded, text)
    assert says in said
    assert line == 8


@pytest.mark.parametrize(
    ("topic", "steps", "says"),
    [
        ("", "[{notify: [a], when: open}]", "the topic has no hours, so it is always open"),
        ("hours: Mon 09:00-10:00 UTC", "[{notify: [a], when: open}]", "nobody is notified while this topic is closed"),
        ("hours: Mon 09:00-10:00 UTC", "[{notify: [a], when: closed}]", "nobody is notified while this topic is open"),
        ("", "[{notify: [quiet]}]", "notifies no person"),
        ("", "[{notify: [a]}, {notify: [a], if: undelivered}]", "always holds"),
        ("", "[{notify: [quiet]}, {notify: [a], if: undelivered, after: 5s}]", "always holds"),
        ("", "[{notify: [a]}, {notify: [a], if: unclaimed}]", "always holds"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(file: Path, topic: str, steps: str, says: str) -> None:
    """Such a file is used all the same."""
    channels = "{a: {type: slack, token: env:T, channel: C1}, quiet: {type: log}}"
    file.write_text(
        f"channels: {channels}\ntopics:\n  t:\n    title: T\n    {topic}\n    steps: {steps}\n"
        "  u: {steps: [{notify: [a, quiet]}]}\n",
        encoding="utf-8",
    )
    (warning,) = load(file, {"T": "x"}).warnings
    assert says in warning.text


@pytest.mark.parametrize(
    "steps",
    [
        "[{notify: [a]}, {notify: [a], after: 1m, if: undelivered}, {notify: [a], after: 2m, if: unclaimed}]",
        "[{notify: [a], after: 1m, if: unclaimed}]",
        "[{notify: [a], when: open}, {notify: [quiet, a], when: closed}]",
    ],
)
def test_what_makes_sense_is_no_warning(file: Path, steps: str) -> None:
    """Failover, escalation and steps by the hours pass without a word."""
    file.write_text(
        "channels: {a: {type: slack, token: env:T, channel: C1}, quiet: {type: log}}\n"
        f"topics:\n  t: {{hours: 'Mon 09:00-10:00 UTC', steps: {steps}}}\n  u: {{steps: [{{notify: [a, quiet]}}]}}\n",
        encoding="utf-8",
    )
    assert load(file, {"T": "x"}).warnings == ()


def test_no_problem_shows_the_value_of_a_secret(loaded: Loaded) -> None:
    """Secrets in clear, wherever they are put, and those behind references stay out of every message."""
    text, _ = changed(
        ("token: env:SLACK_TOKEN", "token: canary-1"),
        ("channel: C088LDVP40K", "channel: [canary-2]"),
        ("smtp: env:SMTP_URL", "smtp: smtp://u:canary-3@h"),
        ("secrets: [env:SHOP_BOT_SECRET]", "secrets: [whsec_canary-4, 5, env:SLACK_TOKEN]"),
        ("url: https://bot.example/hooks/assistance", "url: https://u:canary-5@bot.example/"),
        ("hours: Mon-Fri 09:00-18:00 Europe/Madrid", "hours: canary-6"),
    )
    with pytest.raises(RoutingError) as caught:
        loaded(text)
    assert "canary" not in str(caught.value)
    assert not any(value in str(caught.value) for value in ENVIRON.values())
