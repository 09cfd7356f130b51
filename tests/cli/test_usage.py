"""How the program behaves as a program: help, wrong usage, pipes, Ctrl-C."""

import signal
import socket
import subprocess
import sys

import pytest
from tests.cli.conftest import Cli, started

from assistance import __version__

COMMANDS = [
    *(["serve"], ["check"], ["explain"], ["send"], ["token"], ["migrate"], ["doctor"], ["demo"]),
    *(["channels"], ["channels", "test"], []),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_every_command_explains_itself(cli: Cli, command: list[str]) -> None:
    """`--help` of each command prints its usage and ends with 0."""
    ran = await cli(*command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: {' '.join(['assistance', *command])}")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["serve", "--port", "65536"],
        ["serve", "--role", "king"],
        ["send", "--topic", "sales"],
        ["send", "--topic", "sales", "--description", "x", "--wait", "-1"],
        ["explain"],
        ["explain", "--topic", "sales", "--at", "tomorrow"],
        ["explain", "--topic", "sales", "--priority", "high"],
        ["channels", "test"],
        ["check", "one.yaml", "two.yaml"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_one_line(cli: Cli, arguments: list[str]) -> None:
    """What cannot be understood ends with 2 and one line that names the help."""
    ran = await cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "--help" in ran.line
    assert "Value error" not in ran.line


def test_help_is_quick() -> None:
    """Help loads neither the web framework nor the database nor the HTTP client."""
    script = """
import sys
from assistance.cli import run
assert run(["send", "--help"]) == 0
print(sorted({"aiohttp", "fastapi", "sqlalchemy", "rich"} & sys.modules.keys()), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


@pytest.mark.parametrize("command", [["serve", "--dev"], ["demo"]], ids=" ".join)
def test_development_mode_without_its_mail_server_says_what_to_install(command: list[str]) -> None:
    """A plain install has no `aiosmtpd`: one line names the extra."""
    script = f"""
import sys
sys.modules["aiosmtpd"] = None
from assistance.cli import run
sys.exit(run({command}))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == ("assistance: development mode needs its mail server: pip install 'assistance-api[sandbox]'\n")


def test_production_imports_nothing_of_the_sandbox() -> None:
    """A plain install serves: neither the sandbox nor its mail server is loaded."""
    script = """
import sys
import assistance.cli.serving
print([name for name in sys.modules if name.startswith(("assistance.sandbox", "aiosmtpd"))])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """Written to a pipe that nobody reads, a command says nothing of it."""
    with started("--help") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_ctrl_c_ends_it_quietly() -> None:
    """Interrupted while it waits for an answer, a command ends with 130 and no word."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        hanging.settimeout(30)
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with started("send", "--url", url, "--token", "x", "--topic", "sales", "--description", "x") as process:
            connection, _ = hanging.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                said, complaint = process.communicate(timeout=30)
    assert (process.returncode, said, complaint) == (130, "", "")


async def test_the_version_is_printed(cli: Cli) -> None:
    """`--version` prints the package's version."""
    assert (await cli("--version")).out == f"{__version__}\n"
