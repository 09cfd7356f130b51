"""Drives the desk move that CONTRIBUTING.md adds, in a process whose package has it: `python -m … FOLDER`."""

import asyncio
import re
import sys
from pathlib import Path

from tests.fakes.clock import until
from tests.fakes.service import running

import assistance


async def take_over(folder: Path) -> None:
    """Ana claims, Ben takes over; the answer, the time line, the notice and the document say so."""
    assert folder in Path(assistance.__file__).parents
    async with running(folder) as service:
        asked = await service.ask()
        path = f"/assistance/{asked['id']}"
        await service.when(asked["id"], "notified")
        assert (await service.call("POST", f"{path}/take-over", sub="ben"))[0] == 409
        assert (await service.call("POST", f"{path}/claim", sub="ana"))[0] == 200
        assert (await service.call("POST", f"{path}/take-over", scope="request-assistance", sub="ben"))[0] == 403
        status, body, _ = await service.call("POST", f"{path}/take-over", sub="ben")
        assert (status, body["status"], body["claimed_by"]["actor"]) == (200, "claimed", "api:ben")
        _, events, _ = await service.call("GET", f"{path}/events")
        assert {"taken_over": "api:ben", "claimed": "api:ana"}.items() <= {
            (each["type"], each["actor"]) for each in events["data"]
        }
        await until(lambda: re.match(r"Taken by ben, \d\d:\d\d UTC", service.slack.messages[0].text))
        _, document, _ = await service.call("GET", "/openapi.json")
        assert "/assistance/{request_id}/take-over" in document["paths"]


if __name__ == "__main__":
    asyncio.run(take_over(Path(sys.argv[1])))
