"""The design of the demo: the message is sent inside the request, and whoever asks waits for Slack.

With SDK set, as the Slack SDK's asynchronous client does it: a new session for each message. Otherwise at its best: one
session for all. Either way no token is checked and nothing is written down.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

_URL = f"{os.environ['RECEIVER']}chat.postMessage"
_HEADERS = {"Authorization": "Bearer xoxb-bench"}
_SESSION_EACH = bool(os.environ.get("SDK"))


class Ask(BaseModel):
    """What a bot sends."""

    topic: str
    description: str


@asynccontextmanager
async def _session(app: FastAPI) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=_session)


async def _post(session: aiohttp.ClientSession, ask: Ask) -> bool:
    message = {"channel": "C0", "text": f"{ask.topic}\n{ask.description}"}
    async with session.post(_URL, json=message, headers=_HEADERS) as response:
        said = await response.json()
        return bool(said["ok"])


@app.post("/assistance", status_code=201)
async def assistance(ask: Ask) -> dict[str, str]:
    """Send, then answer."""
    try:
        if _SESSION_EACH:
            async with aiohttp.ClientSession() as session:
                sent = await _post(session, ask)
        else:
            sent = await _post(app.state.session, ask)
    except aiohttp.ClientError:
        sent = False
    if not sent:
        raise HTTPException(503, "Slack did not take it")
    return {"status": "notified"}
