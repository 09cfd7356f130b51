"""From the arguments to the exit code: 0, 1 for a failure, 2 for wrong usage, 130 after Ctrl-C."""

import os
import sys
from collections.abc import Sequence

import typer

from assistance.cli.commands import app
from assistance.cli.failure import FailedError, one_line


def main() -> None:
    """Run the command of `sys.argv`, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command of `arguments`; gives the exit code. A failure is one line on standard error."""
    try:
        code = typer.main.get_command(app).main(list(arguments), prog_name="assistance", standalone_mode=False)
        sys.stdout.flush()
    except FailedError as error:
        return _fail(f"assistance: {one_line(error)}", 1)
    except typer.TyperException as error:
        return _fail(_wrong_usage(error), error.exit_code)
    except BrokenPipeError:
        # The reader has closed the pipe, like `head`. Python would complain when it flushes standard output at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"assistance: {one_line(error)}", 1)
    return code if isinstance(code, int) else 0


def _fail(line: str, code: int) -> int:
    typer.echo(line, err=True)
    return code


def _wrong_usage(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "assistance"
    text = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
    return f"{command}: {text}. See {command} --help"
