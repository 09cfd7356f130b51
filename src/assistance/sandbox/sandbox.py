"""The sandbox of development mode: the two fakes, and the routing file's channels redirected to them."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.resources import files
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from assistance.sandbox.redirect import SLACK_TOKEN, SMTP_URL, confined, redirected_email, redirected_slack
from assistance.sandbox.slack import FakeSlack, Fault
from assistance.sandbox.smtp import FakeSmtp, SmtpFault

_RETRY_AFTER = 30.0
_MAIL_ERROR = "451 4.3.0 try again later"


def starter() -> str:
    """The text of a routing file to start with: sales to Slack with mail behind it, pricing to mail."""
    return files(__package__ or "").joinpath("assistance.yaml").read_text(encoding="utf-8")


class Mode(BaseModel):
    """What a fake does with every call: `seconds` is the Retry-After of `limit`, or how long `hang` waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["ok", "error", "limit", "hang", "down"] = "ok"
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = None


class SlackMode(Mode):
    """`error` is one of Slack's names, for example `channel_not_found`."""

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")] | None = None

    def fault(self) -> Fault | None:
        """The fault of every call in this mode."""
        faults = {
            "error": Fault(error=self.error or "fatal_error"),
            "limit": Fault(retry_after=_RETRY_AFTER if self.seconds is None else self.seconds),
            "hang": Fault(hang=self.seconds or True),
        }
        return faults.get(self.mode)


class MailMode(Mode):
    """`error` is an SMTP reply, for example `550 5.1.1 no such mailbox`."""

    error: Annotated[str, Field(pattern=r"^[45][0-9]{2} [ -~]{1,200}$")] | None = None

    def fault(self) -> SmtpFault | None:
        """The fault of every mail in this mode."""
        code, _, text = (self.error or _MAIL_ERROR).partition(" ")
        faults = {
            "error": SmtpFault(stage="RCPT", code=int(code), text=text),
            "limit": SmtpFault(stage="MAIL", code=450, text="4.7.1 too many messages, slow down"),
            "hang": SmtpFault(stage="MAIL", hang=self.seconds or True),
        }
        return faults.get(self.mode)


class Sandbox:
    """A fake Slack and a fake mail server on loopback: `async with Sandbox(environ) as sandbox`.

    `environ` is where the routing file's `env:` references are looked up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        # A new token each time: what another process sends by mistake is refused, not shown.
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
        """The channel's settings as development mode uses them: only loopback is ever reached.

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

    async def play(self, mode: SlackMode | MailMode) -> None:
        """Let that fake behave like this from now on."""
        if isinstance(mode, SlackMode):
            self.slack_mode = mode
            self.slack.always(mode.fault())
        else:
            self.mail_mode = mode
            self.smtp.always(mode.fault())
        fake = self.slack if isinstance(mode, SlackMode) else self.smtp
        await (fake.down() if mode.mode == "down" else fake.up())
