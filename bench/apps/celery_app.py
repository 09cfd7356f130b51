"""FastAPI that enqueues, and the worker that sends: acknowledged late, tried again with a growing delay."""

import os

import urllib3
from celery import Celery
from fastapi import FastAPI
from pydantic import BaseModel

_URL = f"{os.environ['RECEIVER']}chat.postMessage"
_HEADERS = {"Authorization": "Bearer xoxb-bench"}
_MOST_TRIES = 20

queue = Celery(broker=os.environ["BROKER"])
queue.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)
_pool = urllib3.PoolManager(retries=False)


def _notify(topic: str, description: str) -> None:
    message = {"channel": "C0", "text": f"{topic}\n{description}"}
    answer = _pool.request("POST", _URL, json=message, headers=_HEADERS)
    if answer.json()["ok"] is not True:
        raise RuntimeError("Slack did not take it")


notify = queue.task(
    _notify,
    name="notify",
    autoretry_for=(Exception,),
    retry_backoff=True,
    retry_backoff_max=10,
    max_retries=_MOST_TRIES,
)


class Ask(BaseModel):
    """What a bot sends."""

    topic: str
    description: str


app = FastAPI()


@app.post("/assistance", status_code=201)
async def assistance(ask: Ask) -> dict[str, str]:
    """Enqueue, then answer. Redis is so near that a thread for the call would cost more than the call."""
    notify.delay(ask.topic, ask.description)
    return {"status": "accepted"}
