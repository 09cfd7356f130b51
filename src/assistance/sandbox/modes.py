"""How the fakes feel, as a person at the sandbox's page chooses it."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistance.sandbox.slack import FakeSlack, Fault
from assistance.sandbox.smtp import FakeSmtp, SmtpFault

_RETRY_AFTER = 30.0
_MAIL_ERROR = "451 4.3.0 try again later"


class Mode(BaseModel):
    """What a fake does with every call: `seconds` is the Retry-After of `limit`, or how long `hang` waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usage: ClassVar[str]
    """What may be chosen, for those who chose something else."""

    mode: Literal["ok", "error", "limit", "hang", "down"] = "ok"
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = None


class SlackMode(Mode):
    """`error` is one of Slack's names, for example `channel_not_found`."""

    usage: ClassVar = "mode: ok, error, limit, hang or down; error: a name such as channel_not_found; seconds: a number"

    error: Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")] | None = None

    async def play(self, slack: FakeSlack) -> None:
        """Let `slack` be like this from now on."""
        faults = {
            "error": Fault(error=self.error or "fatal_error"),
            "limit": Fault(retry_after=_RETRY_AFTER if self.seconds is None else self.seconds),
            "hang": Fault(hang=self.seconds or True),
        }
        slack.always(faults.get(self.mode))
        await (slack.down() if self.mode == "down" else slack.up())


class MailMode(Mode):
    """`error` is an SMTP reply, for example `550 5.1.1 no such mailbox`."""

    usage: ClassVar = "mode: ok, error, limit, hang or down; error: a reply such as 550 no mailbox; seconds: a number"

    error: Annotated[str, Field(pattern=r"^[45][0-9]{2} [ -~]{1,200}$")] | None = None

    async def play(self, smtp: FakeSmtp) -> None:
        """Let `smtp` be like this from now on."""
        code, _, text = (self.error or _MAIL_ERROR).partition(" ")
        faults = {
            "error": SmtpFault(stage="RCPT", code=int(code), text=text),
            "limit": SmtpFault(stage="MAIL", code=450, text="4.7.1 too many messages, slow down"),
            "hang": SmtpFault(stage="MAIL", hang=self.seconds or True),
        }
        smtp.always(faults.get(self.mode))
        await (smtp.down() if self.mode == "down" else smtp.up())
