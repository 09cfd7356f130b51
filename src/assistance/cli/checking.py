"""`assistance check` and `assistance explain`."""

from pathlib import Path

import typer

from assistance.cli.failure import FailedError
from assistance.cli.variables import read_routing, read_variables, routing_file
from assistance.model import Priority, SystemClock
from assistance.routing import Routing, RoutingError, explain, load, parse_moment


def check_file(file: Path | None) -> None:
    """Print each problem and each warning on a line of its own, or that the file is fine.

    Raises:
        typer.Exit: with 1, when it cannot be used.
    """
    variables = read_variables()
    try:
        routing = load(file or routing_file(variables), variables)
    except RoutingError as error:
        for problem in error.problems:
            typer.echo(str(problem))
        raise typer.Exit(1) from None
    for warning in routing.warnings:
        typer.echo(f"{warning.file}:{warning.line}: warning: {warning.text}")
    typer.echo(f"{routing.file} is fine: {_counts(routing)}")


def _counts(routing: Routing) -> str:
    counted = (
        ("topic", len(routing.topics)),
        ("channel", len(routing.channels)),
        ("callback", len(routing.callbacks)),
        ("test", len(routing.tests)),
        ("warning", len(routing.warnings)),
    )
    # Few files have callbacks or warnings: shown only where there are some.
    shown = [(name, n) for name, n in counted if n or name not in ("callback", "warning")]
    return ", ".join(f"{n} {name if n == 1 else f'{name}s'}" for name, n in shown)


def explain_topic(name: str, at: str | None, priority: str) -> None:
    """Print the plan for such a request, and why.

    Raises:
        FailedError: there is no such topic.
        typer.BadParameter: `at` is no moment.
    """
    try:
        moment = SystemClock().now() if at is None else parse_moment(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
    routing = read_routing(read_variables())
    topic = routing.topic(name)
    if topic is None:
        raise FailedError(f"unknown topic {name}; there are: {', '.join(sorted(routing.topics))}")
    for line in explain(routing, topic, moment, Priority(priority)).lines():
        typer.echo(line)
