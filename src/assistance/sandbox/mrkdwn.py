"""Slack's mrkdwn as safe HTML, with what would have pinged people made plain to see.

https://docs.slack.dev/messaging/formatting-message-text
"""

import re

from markupsafe import Markup, escape

_MARK = re.compile(r"<(?P<control>[^<>\n]+)>|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)")
_LINK = re.compile(r"(?:https?://|mailto:)\S+")
_BOLD = Markup("<strong>{}</strong>")
_PING = Markup('<mark title="Slack would act on this">&lt;{}&gt;</mark>')
_ANCHOR = Markup('<a href="{}" rel="noopener noreferrer">{}</a>')


def rendered(text: str) -> Markup:
    """The text as Slack shows it: bold, links, dates by their fallback; pings and commands are marked, not played."""
    parts: list[str] = []
    end = 0
    for found in _MARK.finditer(text):
        parts += [_plain(text[end : found.start()]), _marked(found)]
        end = found.end()
    return Markup("").join([*parts, _plain(text[end:])])


def _marked(found: re.Match[str]) -> Markup:
    if found["bold"] is not None:
        return _BOLD.format(_plain(found["bold"]))
    address, _, label = found["control"].partition("|")
    if _LINK.fullmatch(address):
        return _ANCHOR.format(_decoded(address), _decoded(label or address))
    if address.startswith("!date^"):
        return _plain(label)
    return _PING.format(_decoded(found["control"]))


def _plain(text: str) -> Markup:
    return escape(_decoded(text))


def _decoded(text: str) -> str:
    """Slack decodes these three and no other, the ampersand last so that nothing is decoded twice."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
