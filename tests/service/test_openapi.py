"""The OpenAPI document: valid, complete, and true of the running service as schemathesis finds it."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.service import ROUTING, Service, running
from tests.service import for_schemathesis

HERE = str(Path(for_schemathesis.__file__).parents[2])
ARGUMENTS = (
    "--checks=all",
    "--phases=examples,coverage,fuzzing,stateful",
    "--continue-on-failure",
    "--generation-deterministic",
    "--request-timeout=30",
    "--workers=1",
    "--no-color",
)
CONFIG = """
[generation]
# No text of ours has the character NUL, which no database stores; no keyword of a schema says so.
allow-x00 = false

[checks.positive_data_acceptance]
# 412: a version that `If-Match` names is well-formed and has been replaced.
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 429, "5xx"]
"""
RETURNS = """  returns:
    steps: [{{notify: [pricing-mail]}}]
"""
CALLBACK = """callbacks:
  shop-bot: {{url: "https://bot.example/hooks", secrets: [env:SHOP_BOT_SECRET], clients: [bot-1]}}
"""


async def schemathesis(service: Service, folder: Path, examples: int) -> tuple[int, str]:
    """Its exit code and what it says."""
    (folder / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
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
        env={
            **os.environ,
            "PYTHONWARNINGS": "ignore",
            "SCHEMATHESIS_HOOKS": for_schemathesis.__name__,
            "PYTHONPATH": HERE,
        },
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.timeout(600)
async def test_the_service_is_what_its_document_says(tmp_path: Path):
    """Every check of schemathesis, on every operation, with a token that may do all: no failure, no 5xx."""
    async with running(tmp_path) as service:
        code, said = await schemathesis(service, tmp_path, examples=5)
        assert code == 0, said


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_the_service_is_what_its_document_says_over_many_cases(tmp_path: Path):
    """The same over more than ten thousand cases."""
    async with running(tmp_path) as service:
        code, said = await schemathesis(service, tmp_path, examples=400)
        assert code == 0, said
        assert int(re.search(r"([\d,]+) generated", said)[1].replace(",", "")) >= 10_000  # type: ignore[index]


async def _schemas(service: Service) -> dict[str, Any]:
    _, document, _ = await service.call("GET", "/openapi.json")
    schemas: dict[str, Any] = document["components"]["schemas"]
    return schemas


async def test_the_topics_are_those_of_the_routing_file_in_force(tmp_path: Path):
    """Fields that name a topic refer to one list, which a reload brings up to date; no callback's name is listed."""
    async with running(tmp_path, SHOP_BOT_SECRET="whsec_" + "QUJD" * 10) as service:
        before = await _schemas(service)
        assert before["Topic"]["enum"] == ["pricing", "sales"]
        assert before["Ask"]["properties"]["callback"]["type"] == "null"
        for body in ("Ask", "Destination", "ExplainBody"):
            assert before[body]["properties"]["topic"] == {"$ref": "#/components/schemas/Topic"}
        fresh = (ROUTING + RETURNS + CALLBACK).format(slack=service.slack.api_url)
        service.routing_file.write_text(fresh, encoding="utf-8")
        assert (await service.call("POST", "/-/reload"))[0] == 200
        after = await _schemas(service)
        assert after["Topic"]["enum"] == ["pricing", "returns", "sales"]
        assert {"type": "null"} in after["Ask"]["properties"]["callback"]["anyOf"]
        assert "shop-bot" not in str(after)
