"""`demo`: the main job, once."""

import re
import signal
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.cli.conftest import started

from assistance.cli import run


def test_the_demo_shows_what_arrived(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both messages and both time lines are shown whatever the surroundings are set up for, and nothing is left."""
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setenv("ASSISTANCE_CONFIG", "/nowhere/assistance.yaml")
    monkeypatch.setenv("ASSISTANCE_LOG_FORMAT", "console")
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1?tls=off")
    assert run(["demo"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "-- arrived in Slack, channel C088LDVP40K\n   Sales: Grace Hopper asks for a person" in out
    assert "   Subject: Pricing: Ada Lovelace asks for a person" in out
    assert "¿Hay descuento? 😀" in out
    assert out.count("notified n=1 channel=") == 2
    assert "2 notice by pricing-mail: pending, due" in out
    assert list(place.iterdir()) == []


def test_a_demo_that_fails_shows_the_log(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where the service cannot start, its last words come before the one line that explains the failure."""
    (place / "kept").mkdir()
    (place / "kept" / "assistance.yaml").write_text("topics: 3\n")
    assert run(["demo", "--dir", str(place / "kept")]) == 1
    _, err = capfd.readouterr()
    assert "assistance.yaml:1: " in err
    assert err.splitlines()[-1] == "assistance: the service did not start"


@pytest.mark.parametrize("folder", ["/proc/nope", "/proc", "file", "file/below"])
def test_a_folder_that_cannot_be_written_is_a_failure(
    place: Path, capfd: pytest.CaptureFixture[str], folder: str
) -> None:
    """One that cannot be made, or is there and cannot be used, is a sentence, before anything is started."""
    (place / "file").touch()
    assert run(["demo", "--dir", folder]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(rf"assistance: the demo's files cannot be kept in {folder}: [A-Z][a-z -]+\n", err)


def test_a_demo_that_is_stopped_leaves_nothing_behind(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM in the middle ends the service too, removes its files, and is one line."""
    monkeypatch.setenv("TMPDIR", str(place))
    with started("demo") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip(",")
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (1, "assistance: stopped by a signal\n")
    with pytest.raises(URLError, match="refused"):
        urlopen(f"{url}/livez", timeout=5)
    assert list(place.iterdir()) == []
