"""ntfy push notifications: https://docs.ntfy.sh/publish/#publish-as-json."""

from pydantic import HttpUrl

from assistance.channels import Channel
from assistance.model import Message
from assistance.outgoing import Http
from assistance.settings import Secret


class Ntfy(Channel):
    """The example of a new channel: this file alone, in `src/assistance/channels`, is all of it."""

    topic: str
    url: HttpUrl = HttpUrl("https://ntfy.sh")
    token: Secret | None = None

    async def send(self, message: Message, http: Http) -> str | None:
        """Post it; the answer's id lets us edit it later."""
        body = {"topic": self.topic, "title": message.title, "message": message.text}
        reply = await http.post(self.url, json=body, bearer=self.token)
        return str(reply.json()["id"])
