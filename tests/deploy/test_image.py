"""What goes into the image: the bill of materials and the health check. CI builds and runs the image itself."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.running import process
from tests.fakes.process import surroundings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PINS = """
# written by a tool
a-tool==1.2.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via assistance-api (pyproject.toml)
its-part==3.0 ; python_version >= '3' \\
    --hash=sha256:{c}
    # via
    #   a-tool
    #   assistance-api (pyproject.toml)
elsewhere==0.4 ; sys_platform == 'win32' \\
    --hash=sha256:{c}
    # via a-tool
"""
SUMS = {letter: letter * 64 for letter in "abc"}


def _install(folder: Path, name: str, version: str, *more: str) -> None:
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *more, ""]))


def _sbom(folder: Path, pins: Path) -> subprocess.CompletedProcess[str]:
    """The script run in an environment that holds only what lies in `folder`."""
    command = [sys.executable, "-S", str(ROOT / "deploy/image/sbom.py"), str(pins)]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "pins.txt"
    path.write_text(PINS.format(**SUMS))
    return path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    _install(folder, "assistance-api", "0.1.0", "License-Expression: Apache-2.0")
    _install(folder, "a-tool", "1.2.0", "License-Expression: MIT")
    _install(folder, "its_part", "3.0", "License: BSD")
    return folder


def test_the_bill_of_materials_lists_what_is_installed_with_sums_and_graph(pins: Path, installed: Path) -> None:
    """Components, licences, SHA-256 sums and who needs whom; nothing for a package of another platform."""
    bill: dict[str, Any] = json.loads(_sbom(installed, pins).stdout)
    components = {each["name"]: each for each in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"], set(components)) == ("CycloneDX", "1.6", {"a-tool", "its-part"})
    assert components["a-tool"]["licenses"] == [{"expression": "MIT"}]
    sums = [each["content"] for each in components["a-tool"]["externalReferences"][0]["hashes"]]
    assert sums == [SUMS["a"], SUMS["b"]]
    graph = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    assert graph == {
        "pkg:pypi/assistance-api@0.1.0": ["pkg:pypi/a-tool@1.2.0", "pkg:pypi/its-part@3.0"],
        "pkg:pypi/a-tool@1.2.0": ["pkg:pypi/its-part@3.0"],
        "pkg:pypi/its-part@3.0": [],
    }


def test_the_bill_of_materials_is_the_same_for_the_same_environment(pins: Path, installed: Path) -> None:
    """Two runs print the same bytes: no time and nothing random."""
    assert _sbom(installed, pins).stdout == _sbom(installed, pins).stdout


def test_an_environment_that_is_not_as_pinned_gets_no_bill_of_materials(pins: Path, installed: Path) -> None:
    """A package in another version than the pinned one fails the build instead of being described wrongly."""
    (installed / "a_tool-1.2.0.dist-info" / "METADATA").write_text("Name: a-tool\nVersion: 1.2.1\n")
    done = _sbom(installed, pins)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "installed, but not as pinned: a-tool 1.2.1\n")


def test_every_pin_of_the_image_is_understood(tmp_path: Path) -> None:
    """No line of the real pins escapes the script: as many packages are read as are pinned."""
    real = ROOT / "requirements/runtime.txt"
    versions = dict(re.findall(r"^([\w.-]+)==([\w.!+-]+)", real.read_text(encoding="utf-8"), re.MULTILINE))
    folder = tmp_path / "packages"
    folder.mkdir()
    for name, version in {**versions, "assistance-api": "0.1.0"}.items():
        _install(folder, name, version)
    bill = json.loads(_sbom(folder, real).stdout)
    assert {each["name"]: each["version"] for each in bill["components"]} == versions
    wanted = {ref for each in bill["dependencies"] for ref in each["dependsOn"]}
    assert wanted == {each["bom-ref"] for each in bill["components"]}, "every package is wanted by another"


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
