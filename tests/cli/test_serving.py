"""`serve`: as a process, and when it refuses."""

import json
import signal
import socket
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.cli.conftest import Cli, Development, started

from assistance.cli import run
from assistance.sandbox import starter
from assistance.settings import Settings
from assistance.store import open_store


def test_it_serves_until_a_signal() -> None:
    """On a free port, every line is JSON from the first; SIGTERM ends it with 0 and without a word on stderr."""
    with started("serve", "--dev", "--port", "0") as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        url = next(line["url"] for line in lines if line["event"] == "serving")
        with urlopen(f"{url}/heartbeat", timeout=10) as answer:
            assert answer.status == 204
        process.send_signal(signal.SIGTERM)
        assert [line["event"] for line in lines][-1] == "stopped"
        _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, "")


async def test_all_that_is_missing_is_named_at_once(cli: Cli, place: Path) -> None:
    """A refusal to start is one line with every setting and every secret that is not there."""
    (place / "assistance.yaml").write_text(starter())
    failure = (await cli("serve", "--port", "0")).failure
    for name in ("OIDC_ISSUER", "OIDC_AUDIENCE", "SECRET_KEY", "env:SLACK_TOKEN", "env:SMTP_URL"):
        assert name in failure


async def test_development_mode_stays_on_this_machine(cli: Cli) -> None:
    """`--dev` refuses to listen on an address that others can reach."""
    assert "loopback" in (await cli("serve", "--dev", "--host", "0.0.0.0")).failure


def test_a_port_in_use_is_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    """A port that another process has is one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["serve", "--dev", "--port", port]) == 1
    _, err = capfd.readouterr()
    assert err == f"assistance: another process listens on 127.0.0.1:{port}; --port chooses another one\n"


async def test_a_second_service_on_the_same_file_is_refused(cli: Cli, development: Development) -> None:
    """SQLite has one process at a time: the second one says who has the file."""
    failure = (await cli("serve", "--dev", "--port", "0")).failure
    assert failure.startswith("assistance: var/development.db is in use by process ")


def test_development_mode_has_a_database_of_its_own(place: Path) -> None:
    """Beside a service as in production, in the same folder: what that one has accepted is none of its business."""
    with closing(open_store(Settings().database_url.get_secret_value())):
        before = (place / "var" / "assistance.db").read_bytes()
        with started("serve", "--dev", "--port", "0") as process:
            assert process.stdout is not None
            assert any(json.loads(line)["event"] == "serving" for line in process.stdout)
        assert (place / "var" / "assistance.db").read_bytes() == before
    assert (place / "var" / "development.db").exists()


@pytest.mark.parametrize("role", ["api", "dispatcher"])
async def test_a_part_of_the_work_is_refused_on_sqlite(cli: Cli, role: str) -> None:
    """No other process could open the file to do the rest: what is accepted would never go out."""
    assert (await cli("serve", "--dev", "--port", "0", "--role", role)).failure == (
        f"assistance: --role {role} needs PostgreSQL: with a SQLite file, one process does everything"
    )


async def test_an_exporter_that_is_not_built_in_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the telemetry variables ask for and cannot have is a refusal in one line, too."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert "OTEL_TRACES_EXPORTER" in (await cli("serve", "--dev", "--port", "0")).failure
