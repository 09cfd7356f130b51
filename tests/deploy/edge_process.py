"""The shipped edge as a real process on loopback, in front of two stand-ins for API processes."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import trustme

HERE = Path(__file__).parent
START = HERE.parents[1] / "deploy" / "edge" / "start"
MODULE = Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so")
RULES = Path("/usr/share/modsecurity-crs/rules")
ASK = {"topic": "sales", "description": "Hello"}


def missing() -> str:
    """The programs that the edge needs and this machine lacks; empty when all are there."""
    lacking = [name for name in ("nginx", "envsubst") if shutil.which(name) is None]
    lacking += [str(path) for path in (MODULE, RULES) if not path.exists()]
    return ", ".join(lacking)


@dataclass(frozen=True)
class Upstream:
    """One stand-in: its name, its port, its process."""

    name: str
    port: int
    process: subprocess.Popen[str]


@dataclass(frozen=True)
class Edge:
    """A running edge: its port, its certificate, its upstreams, its logs."""

    port: int
    trust: ssl.SSLContext
    upstreams: tuple[Upstream, Upstream]
    journal: Path
    access_log: Path
    error_log: Path

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"https://localhost:{self.port}"

    def arrived(self) -> list[dict[str, Any]]:
        """The requests that reached either upstream, in order."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _upstream(name: str, journal: Path) -> Iterator[Upstream]:
    command = [sys.executable, str(HERE / "upstream.py"), name, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Upstream(name, int(process.stdout.readline()), process)
        finally:
            process.kill()


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], error_log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
    raise AssertionError(error_log.read_text())


def without_firewall(folder: Path) -> Path:
    """The edge's `start` without its firewall, which takes 3 ms of processor time for each request."""
    copy = shutil.copytree(START.parent, folder / "edge")
    template = copy / "waf.conf.template"
    text = template.read_text(encoding="utf-8")
    assert "SecRuleEngine On" in text
    template.write_text(text.replace("SecRuleEngine On", "SecRuleEngine Off"), encoding="utf-8")
    return copy / START.name


@contextlib.contextmanager
def running_edge(folder: Path, start: Path = START, **settings: str) -> Iterator[Edge]:
    """Start two upstreams and the edge in `folder`; `settings` become `EDGE_…` variables; all end with the block."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "chain.pem", append=True)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    journal, port = folder / "journal", _free_port()
    with _upstream("one", journal) as one, _upstream("two", journal) as two:
        environment = {
            "EDGE_LISTEN": f"127.0.0.1:{port}",
            "EDGE_UPSTREAMS": f"127.0.0.1:{one.port} 127.0.0.1:{two.port}",
            "EDGE_CERTIFICATE": str(folder / "chain.pem"),
            "EDGE_CERTIFICATE_KEY": str(folder / "key.pem"),
            "EDGE_RUN_DIR": str(folder / "run"),
            "EDGE_ACCESS_LOG": str(folder / "access.log"),
            "EDGE_RATE": "100000",
            "EDGE_BURST": "100000",
            **settings,
        }
        with (
            (folder / "error.log").open("wb") as errors,
            subprocess.Popen([start], env={**os.environ, **environment}, stderr=errors) as process,
        ):
            try:
                _wait_until_listening(port, process, folder / "error.log")
                yield Edge(port, trust, (one, two), journal, folder / "access.log", folder / "error.log")
            finally:
                process.terminate()


def session_with(edge: Edge) -> aiohttp.ClientSession:
    """A bot that trusts this edge's certificate; the caller closes it."""
    return aiohttp.ClientSession(edge.url, connector=aiohttp.TCPConnector(ssl=edge.trust, limit=16))
