"""The image's health check. CI builds and runs the image; the tool that lists its parts checks what it writes."""

import asyncio
import re
import sys
from pathlib import Path

from tests.deploy.running import process
from tests.fakes.process import surroundings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


async def _exit_code(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_the_health_check_tells_a_living_service_from_a_dead_one(tmp_path: Path) -> None:
    """The image's own command passes while the service answers and fails when it does not."""
    found = re.search(r'^  CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
    assert found
    async with surroundings(tmp_path) as around, process(around, f"sqlite:///{tmp_path}/a.db") as service:
        command = [sys.executable, "-c", found[1].replace("8000", str(service.port))]
        assert await _exit_code(command) == 0
        await service.kill()
        assert await _exit_code(command) != 0
