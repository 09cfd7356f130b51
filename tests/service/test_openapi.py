"""The OpenAPI document: valid, complete, and true of the running service as schemathesis finds it."""

import asyncio
import os
import sys
from pathlib import Path

from tests.fakes.service import Service, running

# The document does not name the topics, so an unknown one is valid by it, and a 400 (`Invalid topic`).
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 409, 429]
"""
ARGUMENTS = (
    "--checks=all",
    "--phases=examples,coverage,fuzzing,stateful",
    "--generation-deterministic",
    "--request-timeout=10",
    "--workers=1",
    "--no-color",
)


async def schemathesis(service: Service, folder: Path, examples: int) -> tuple[int, str]:
    """Its exit code and what it says."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        "run",
        f"{service.url}/openapi.json",
        f"--header=Authorization: Bearer {service.token()}",
        f"--max-examples={examples}",
        *ARGUMENTS,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_service_is_what_its_document_says(tmp_path: Path):
    """Every check of schemathesis, on every operation, with a token that may do all: no failure, no 5xx."""
    async with running(tmp_path) as service:
        code, said = await schemathesis(service, tmp_path, examples=5)
        assert code == 0, said
