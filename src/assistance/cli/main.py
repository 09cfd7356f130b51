"""From the arguments to the exit code: 0, 1 for a failure, 2 for wrong usage, 130 after Ctrl-C."""

import os
import sys
from collections.abc import Sequence

import typer

from assistance.cli.commands import app
from assistance.cli.failure import FailedError, one_line


def main() -> None:
    """Do what the command line says, and end the process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; the exit code. A failure is told in one line on standard error."""
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="assistance", standalone_mode=False)
        sys.stdout.flush()
    except FailedError as error:
        return _told(f"assistance: {one_line(error)}", 1)
    except typer.TyperException as error:
        return _told(_wrong_usage(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _told(f"assistance: {one_line(error)}", 1)
    return code if isinstance(code, int) else 0


def _told(line: str, code: int) -> int:
    typer.echo(line, err=True)
    return code


def _wrong_usage(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "assistance"
    said = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
    return f"{command}: {said}. See {command} --help"
