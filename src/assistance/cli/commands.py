"""The commands, their options and their help. Each imports its code when it runs, so that `--help` is quick."""
# ruff: noqa: PLC0415 - see above

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="The hand-off from a bot to people. Settings come from the environment and `.env`; `.env.example` lists them.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
channels_app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_HERE = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option(help="Where the service answers.", metavar="URL")]
Token = Annotated[str | None, typer.Option(help="A token to use as it is.", metavar="TOKEN")]
Topic = Annotated[str, typer.Option(help="The topic, in any case.", metavar="TOPIC")]
File = Annotated[Path | None, typer.Argument(help="Default: ASSISTANCE_CONFIG, else assistance.yaml.", metavar="FILE")]
Channel = Annotated[str | None, typer.Option(help="Only of this channel.", metavar="CHANNEL")]
SendableState = Literal["failed", "parked", "retrying", "skipped"]
DeliveryState = Literal["pending", "sending", "delivered", "retrying", "parked", "failed", "skipped"]
Role = Literal["all", "api", "dispatcher"]


def _version(given: bool) -> None:  # noqa: FBT001 - typer passes it so
    if given:
        from assistance import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False
) -> None:
    """Stands for the program itself."""


@app.command()
def serve(
    *,
    dev: Annotated[bool, typer.Option("--dev", help="Development mode: all on this machine, with a sandbox.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any free one.", min=0, max=65535)] = 8000,
    role: Annotated[Role, typer.Option(help="What this process does.")] = "all",
) -> None:
    """Run the service until SIGTERM or SIGINT; SIGHUP reloads the routing file."""
    from assistance.cli.serving import serve_until_signal

    raise typer.Exit(serve_until_signal(dev=dev, host=host, port=port, role=role))


@app.command()
def check(file: File = None) -> None:
    """Read the routing file, run its tests, and show every problem with its line."""
    from assistance.cli.checking import check_file

    check_file(file)


@app.command()
def explain(
    *,
    topic: Topic,
    at: Annotated[
        str | None, typer.Option(help="When: 2026-11-23T10:00+01:00. Default: now.", metavar="ISO8601")
    ] = None,
    priority: Annotated[Literal["normal", "urgent"], typer.Option(help="How urgent.")] = "normal",
) -> None:
    """Show the plan for a request, and why; nothing is sent."""
    from assistance.cli.checking import explain_topic

    explain_topic(topic, at, priority)


@app.command()
def send(
    *,
    topic: Topic,
    description: Annotated[str, typer.Option(help="What the customer wants.", metavar="TEXT")],
    url: Url = _HERE,
    token: Token = None,
    wait: Annotated[
        float | None, typer.Option(help="Seconds to wait until a person's channel has it.", min=0, max=30)
    ] = None,
    conversation_id: Annotated[
        str | None, typer.Option(help="With an open request: a follow-up.", metavar="ID")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key. Default: a new one.", metavar="KEY")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Show the answer as JSON.")] = False,
) -> None:
    """Call a running service as a bot would.

    The token: --token, ASSISTANCE_TOKEN, the development issuer where the URL is on this machine and var/ holds its
    key, or Auth0's client-credentials grant where AUTH0_DOMAIN, AUTH0_API_AUDIENCE, TEST_CLIENT_ID and
    TEST_CLIENT_SECRET are set. Where both could be, the keys that the service publishes decide.

    It is tried three times, with the same key, when the service cannot be reached or answers 503.
    """
    from assistance.cli.sending import send_request

    body = {"topic": topic, "description": description, "conversation_id": conversation_id}
    asyncio.run(send_request(body, url=url, token=token, wait=wait, key=key, as_json=as_json))


@app.command(name="token")
def make_token(
    *,
    scope: Annotated[str, typer.Option(help="Separated by spaces.")] = (
        "request-assistance ping read-assistance work-assistance manage-assistance"
    ),
    subject: Annotated[str, typer.Option(help="The client that it is for.")] = "bot-1@clients",
) -> None:
    """Print a token of the development issuer, where var/ holds the key that `serve --dev` made."""
    from assistance.cli.tokens import development_token

    typer.echo(development_token(scope, subject))


@app.command()
def migrate() -> None:
    """Bring the database to the current schema."""
    from assistance.cli.serving import migrate_database

    migrate_database()


@app.command()
def doctor() -> None:
    """Try everything that the service depends on; nothing is sent to people."""
    from assistance.cli.doctor import examine

    asyncio.run(examine())


@channels_app.callback(invoke_without_command=True)
def channels(context: typer.Context, *, url: Url = _HERE, token: Token = None) -> None:
    """Show the health of each channel of the running service."""
    from assistance.cli.channels import show_health

    context.obj = {"url": url, "token": token}
    if context.invoked_subcommand is None:
        asyncio.run(show_health(url, token))


@channels_app.command(name="test")
def channels_test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The channel, as the routing file calls it.", metavar="NAME")],
    *,
    url: Annotated[str | None, typer.Option(help="Where the service answers.", metavar="URL")] = None,
    token: Token = None,
) -> None:
    """Send one marked test message through a channel."""
    from assistance.cli.channels import send_test

    asyncio.run(send_test(name, url or context.obj["url"], token or context.obj["token"]))


app.add_typer(channels_app, name="channels")


@app.command()
def deliveries(
    *,
    state: Annotated[
        DeliveryState | None, typer.Option(help="Only of this state. Default: failed, parked and retrying.")
    ] = None,
    channel: Channel = None,
    url: Url = _HERE,
    token: Token = None,
) -> None:
    """Show which deliveries of the running service are stuck, a line each."""
    from assistance.cli.deliveries import show_deliveries

    asyncio.run(show_deliveries(state, channel, url, token))


@app.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Requests, or single deliveries: REQUEST.N.", metavar="ID")
    ] = None,
    *,
    channel: Channel = None,
    state: Annotated[
        SendableState | None, typer.Option(help="Only of this state. Default: failed.", show_choices=True)
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only of requests accepted since then.", metavar="ISO8601")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    url: Url = _HERE,
    token: Token = None,
) -> None:
    """Send deliveries again, now and with their old keys: those that fit everything that is given."""
    from assistance.cli.deliveries import replay as send_again

    given = {"ids": ids or None, "channel": channel, "state": state, "since": since}
    selection = {name: value for name, value in given.items() if value is not None}
    if not selection:
        raise typer.BadParameter("say which: an ID, --channel, --state or --since")
    asyncio.run(send_again({**selection, "dry_run": dry_run}, url, token))


@app.command()
def demo(
    *,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Keep the demo's files here. Default: a temporary folder.", metavar="D")
    ] = None,
) -> None:
    """Start the service, send a sales and a pricing request, and show what arrived and what happened."""
    from assistance.cli.demo import show_demo

    show_demo(folder)
