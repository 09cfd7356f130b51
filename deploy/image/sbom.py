# ruff: noqa: INP001 - a script, run by its path
"""Prints what an environment is made of, as CycloneDX 1.6: `python sbom.py requirements/runtime.txt`.

Run by the Python of that environment. What is installed is held against the pins: their versions must agree, and from
them come the SHA-256 sums that the installation checked and the edges of the dependency graph.
"""

import json
import re
import sys
import uuid
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

PROJECT = "assistance-api"
_PIN = re.compile(r"([\w.-]+)==([\w.!+-]+)(?: ;.*)? \\$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"#(?: via)? +([\w.-]+)(?: \(pyproject\.toml\))?$")


@dataclass
class Pin:
    """One package of a pinned file; `wanted_by` are the names of those that depend on it."""

    version: str
    hashes: list[str]
    wanted_by: list[str]


class DoesNotMatchError(Exception):
    """The environment is not what the pins say."""


def read_pins(text: str) -> dict[str, Pin]:
    """The packages of a file written by `uv pip compile --generate-hashes`, by name."""
    pins: dict[str, Pin] = {}
    pin: Pin | None = None
    for line in text.splitlines():
        if found := _PIN.match(line):
            pin = pins[found[1]] = Pin(found[2], [], [])
        elif pin and (found := _HASH.search(line)):
            pin.hashes.append(found[1])
        elif pin and (found := _VIA.search(line)):
            pin.wanted_by.append(found[1])
    return pins


def document(pins: dict[str, Pin], installed: dict[str, Distribution], project: Distribution) -> dict[str, Any]:
    """The bill of materials of `project` with those of `pins` that are installed.

    Raises:
        DoesNotMatchError: a package is there in another version than the pinned one.
    """
    there = {name: pin for name, pin in pins.items() if name in installed}
    versions = {name: installed[name].version for name in there}
    if wrong := [f"{name} {version}" for name, version in versions.items() if version != there[name].version]:
        raise DoesNotMatchError(f"installed, but not as pinned: {', '.join(wrong)}")
    components = [_component(name, pin, installed[name]) for name, pin in there.items()]
    references = {name: _purl(name, version) for name, version in {PROJECT: project.version, **versions}.items()}
    graph = [
        {"ref": reference, "dependsOn": [references[other] for other, pin in there.items() if name in pin.wanted_by]}
        for name, reference in references.items()
    ]
    made = {
        "metadata": {"component": _described(PROJECT, project, "application")},
        "components": components,
        "dependencies": graph,
    }
    # One content, one serial number: the same input gives the same file.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(made, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": serial.urn, "version": 1, **made}


def _component(name: str, pin: Pin, found: Distribution) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": content} for content in pin.hashes]
    files = {
        "type": "distribution",
        "url": _purl(name, pin.version),
        "comment": "The installed file is one of these.",
        "hashes": hashes,
    }
    return {**_described(name, found, "library"), "externalReferences": [files]}


def _described(name: str, found: Distribution, kind: str) -> dict[str, Any]:
    reference = _purl(name, found.version)
    described: dict[str, Any] = {"type": kind, "bom-ref": reference, "name": name, "version": found.version}
    described["purl"] = reference
    # The SPDX expression of PEP 639; what older packages say is free text.
    said = found.metadata.json
    if expression := said.get("license_expression"):
        described["licenses"] = [{"expression": expression}]
    elif (text := str(said.get("license", ""))) and "\n" not in text:
        described["licenses"] = [{"license": {"name": text}}]
    return described


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Read the pins named on the command line and print."""
    pins = read_pins(Path(sys.argv[1]).read_text(encoding="utf-8"))
    installed = {_normalized(found.metadata["Name"]): found for found in distributions()}
    try:
        made = document(pins, installed, distribution(PROJECT))
    except DoesNotMatchError as error:
        sys.exit(str(error))
    json.dump(made, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
