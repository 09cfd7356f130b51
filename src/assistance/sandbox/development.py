"""The sandbox of development mode: the two fakes, and the routing file's channels pointed at them."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.resources import files
from types import TracebackType
from typing import Any, Self

from assistance.sandbox.modes import MailMode, SlackMode
from assistance.sandbox.redirect import SLACK_TOKEN, SMTP_URL, confined, redirected_email, redirected_slack
from assistance.sandbox.slack import FakeSlack
from assistance.sandbox.smtp import FakeSmtp


def starter() -> str:
    """The text of a routing file to start with: sales to Slack with mail behind it, pricing to mail."""
    return files(__package__ or "").joinpath("assistance.yaml").read_text(encoding="utf-8")


class Sandbox:
    """A fake Slack and a fake mail server on loopback: `async with Sandbox(environ) as sandbox`.

    `environ` is where the routing file's `env:` references are looked up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Prepare both; they listen once entered."""
        # A token of its own each time: what another process sends by mistake is refused, not shown.
        self._token = f"xoxb-sandbox-{secrets.token_hex(8)}"
        self._environ = environ
        self._running = AsyncExitStack()
        self.slack = FakeSlack(tokens={self._token})
        self.smtp = FakeSmtp()
        self.slack_mode = SlackMode()
        self.mail_mode = MailMode()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.slack)
        await self._running.enter_async_context(self.smtp)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` and the variables that redirected channels refer to."""
        return {**base, SLACK_TOKEN: self._token, SMTP_URL: self.smtp.url}

    def redirect(self, type_: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The channel's settings as development mode uses them: nothing but loopback is ever reached.

        `raw` is the channel of the routing file, without or with its `type`. Mail always goes to the fake; Slack does
        unless the file names a fake of the developer's own, on loopback.

        Raises:
            ValueError: a channel of another type has an address elsewhere; a plain sentence, without values.
        """
        environ = self.environ(self._environ)
        if type_ == "slack":
            return redirected_slack(raw, self.slack.api_url, environ)
        if type_ == "email":
            return redirected_email(raw)
        return dict(raw) if type_ == "log" else confined(type_, raw, environ)

    async def play_slack(self, mode: SlackMode) -> None:
        """Let the fake Slack be like this from now on."""
        await mode.play(self.slack)
        self.slack_mode = mode

    async def play_mail(self, mode: MailMode) -> None:
        """Let the fake mail server be like this from now on."""
        await mode.play(self.smtp)
        self.mail_mode = mode
