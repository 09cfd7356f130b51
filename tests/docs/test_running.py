"""Every command of the pages is run, except those in listed.py; each does what the page says."""

import asyncio
import json
import re
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from tests.deploy.edge_process import missing
from tests.docs.listed import LISTED
from tests.docs.pages import SCRIPTS, TEXTS, Script, everywhere, named
from tests.docs.stage import Ran, Stage, fill_in
from tests.fakes.postgres import Postgres
from tests.fakes.process import free_port
from tests.fakes.service import ROUTING, Outside, inside, outside

from assistance.sandbox.smtp import SmtpFault

pytestmark = pytest.mark.proof

LAPTOP = {"README.md#Two commands", "README.md#Topics and channels", "docs/bots.md#In the sandbox"}
"""Sections whose commands are run beside `make run`; all others beside a service as in production."""
FOLDERS = {"deploy/compose/README.md": "deploy/compose", "deploy/terraform/auth0/README.md": "deploy/terraform/auth0"}
"""The folder for a page's commands, if not the repository's."""
ELSEWHERE = {"docs/backups.md": "tests/deploy/test_backups.py"}
"""Pages whose blocks another test runs under load; it fails when it leaves one out."""

RUN = "make run"
ONE = r"assistance serve(?! --role)"
MANY = r"assistance (migrate|serve --role)"
EDGE = r"EDGE_.* deploy/edge/start$"
APART = rf"{RUN}|{ONE}|{MANY}|{EDGE}"
"""Commands that do not end by themselves, or need more servers: further tests below run them."""

SAYS = {
    r"assistance --help": r"^  doctor ",
    r"assistance check": r"^assistance\.yaml is fine: ",
    r"assistance doctor": r"\A(?!(.*\n)*FAIL)(.*\n)*ok    channel sales-slack: its credentials work$",
    r"assistance explain --topic returns": r"^notified at once: sales-slack$",
    r"assistance explain --topic sales": r"^notified at once: sales-slack\nmay follow: pricing-mail$",
    r"assistance send .*--wait": r"^notified: request \S+ on sales, new$",
    r"assistance send": r"^(accepted|notified): request \S+ on sales, new$",
    r"assistance token": r"\A[\w-]+\.[\w-]+\.[\w-]+\Z",
    r"assistance channels test": r"^(sales-slack|pricing-mail): delivered in ",
    r"assistance channels$": r"^sales-slack +slack  ok$",
    r"assistance deliveries": r"^\S+  pricing-mail  notice  failed  2 tries  rejected$",
    r"assistance replay .*--dry-run": r"^1 would be sent again$",
    r"curl .*/assistance ": r'"topic":"pricing","status":"(accepted|notified)"',
    r"curl .*/topics ": r'"topic":"sales".*"topic":"pricing"',
    r"promtool test rules": r"^  SUCCESS$",
    r"pytest": r"^\d+ passed",
    r"TOKEN=|export|cp|mkdir": r"\A\Z",
}
"""What a command prints when it succeeds, by how the command begins."""
MAY_BE_MISSING = ("curl", "openssl", "promtool")
"""Programs without which the rest is run, and the test counts as skipped."""
CHATTY = r"mkdir tls && openssl"
"""Commands that print their progress to standard error."""


def wanted(*, laptop: bool) -> list[Script]:
    """The commands for a laptop, or else beside a service; each at its first place only."""
    met: set[str] = set()
    found = []
    for script in SCRIPTS:
        if (script.place in LAPTOP) != laptop or (script.fenced and script.page in ELSEWHERE):
            continue
        known = {*LISTED, *met}
        left = [line for line in script.lines if named(line) not in known and not re.match(APART, named(line))]
        met |= {named(line) for line in left}
        if left:
            found.append(Script(script.place, tuple(left), script.fenced))
    return found


def judge(script: Script, ran: list[Ran]) -> None:
    """Each command was run, ended with 0, printed what it should, and nothing to standard error."""
    for done in ran:
        assert done.code == 0, (script.place, done)
        said = next((pattern for begins, pattern in SAYS.items() if re.match(begins, named(done.command))), None)
        assert said is not None, f"{script.place}: what does `{done.command}` print when all is well? Tell SAYS"
        assert re.search(said, done.out.strip(), re.MULTILINE), (script.place, done)
    assert len(ran) == len(script.lines)
    assert not ran[-1].err or re.match(CHATTY, ran[-1].command), (script.place, ran[-1])


def absent() -> list[str]:
    return [program for program in MAY_BE_MISSING if shutil.which(program) is None]


async def type_all(stage: Stage, scripts: list[Script]) -> None:
    """Two scripts at a time, which are independent. Those for which a program is missing are left out."""
    at_once = asyncio.Semaphore(2)

    async def one(script: Script) -> None:
        async with at_once:
            judge(script, await stage.run(script.lines, FOLDERS.get(script.page, ".")))

    async with asyncio.TaskGroup() as typing:
        for script in scripts:
            if not any(program in line for line in script.lines for program in absent()):
                typing.create_task(one(script))


def all_was_typed() -> None:
    """Skip the rest of the test if something was left out."""
    if absent():
        pytest.skip(f"the rest passed; not installed: {', '.join(absent())}")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
async def around(stage: Stage) -> AsyncIterator[Outside]:
    """The servers, and `.env` filled in for them; the topic of CONTRIBUTING.md is in the routing file."""
    returns = "  returns:\n    steps: [{{notify: [sales-slack]}}]\n"
    async with outside(stage.folder, ROUTING + returns) as found:
        fill_in(stage, found)
        yield found


async def test_on_a_laptop(stage: Stage) -> None:
    """`make run`, and the commands of README.md and docs/bots.md beside it; Ctrl-C stops it cleanly."""
    async with stage.serving(RUN, f"{stage.url}/readyz") as running:
        for page in ("sandbox", "docs"):
            await running.answers(f"{stage.url}/{page}")
        await type_all(stage, wanted(laptop=True))
        _, said = await running.ended(signal.SIGINT)
    assert json.loads(said.splitlines()[-1])["event"] == "stopped"
    all_was_typed()


async def test_beside_a_service(stage: Stage, around: Outside) -> None:
    """All other pages, beside a service with production settings and one failed delivery."""
    # The database of the default, as `.env` has none.
    database = f"sqlite:///{stage.folder}/var/assistance.db"
    async with inside(around, ASSISTANCE_DATABASE_URL=database) as service:
        stage.port = int(service.url.rpartition(":")[2])
        around.smtp.always(SmtpFault(stage="RCPT", code=550, text="5.1.1 no such mailbox"))
        await service.when((await service.ask("pricing"))["id"], "failed")
        around.smtp.always(None)
        await type_all(stage, wanted(laptop=False))
        # docs/runbook.md: "and once more without `--dry-run`".
        mails = len(around.smtp.messages)
        (replay,) = (command for command in everywhere() if "--dry-run" in command)
        (again,) = await stage.run([replay.replace(" --dry-run", "")])
        assert again.out.endswith("1 sent again\n"), again
        await around.smtp.arrived(mails + 1)
    all_was_typed()


async def test_the_one_call_of_the_page_for_bots(around: Outside) -> None:
    """The block of docs/bots.md, without its comments, opens a request that reaches a person."""
    (block,) = re.findall(r"^```http\n(.*?)^```$", TEXTS["docs/bots.md"], re.MULTILINE | re.DOTALL)
    head, body = block.split("\n\n")
    call, *fields = re.sub(r" {2,}\(.*", "", head).replace("…", "").splitlines()
    async with inside(around) as service:
        token = service.token("request-assistance")
        headers = dict(re.sub(r"<token .*>", token, field).split(": ") for field in fields)
        method, path = call.split()
        async with service.session.request(method, service.url + path, headers=headers, data=body) as answer:
            said = await answer.json()
    assert (answer.status, said["notified"], said["ignored"]) == (201, True, [])


async def _served(stage: Stage, command: str, database: str) -> None:
    """The service that the command starts becomes ready, and SIGTERM ends it with 0."""
    port = free_port()
    ready = f"http://127.0.0.1:{port}/readyz"
    async with stage.serving(command, ready, PORT=str(port), ASSISTANCE_DATABASE_URL=database) as running:
        code, said = await running.ended(signal.SIGTERM)
    assert (code, json.loads(said.splitlines()[-1])["event"]) == (0, "stopped"), command


async def test_one_process(stage: Stage, around: Outside) -> None:
    """Each `assistance serve` of the pages, with only `.env` and its own database."""
    commands = sorted(command for command in everywhere() if re.match(ONE, command))
    assert commands
    await asyncio.gather(*(_served(stage, one, f"sqlite:///var/{n}.db") for n, one in enumerate(commands)))


async def test_many_processes(stage: Stage, around: Outside, postgres: Postgres) -> None:
    """`migrate`, then an API process and a dispatcher on PostgreSQL: one accepts, the other sends.

    After SIGTERM `/readyz` fails; a second SIGTERM ends the process at once, also with 0.
    """
    (block,) = (script for script in SCRIPTS if script.fenced and re.match(MANY, named(script.lines[0])))
    assert {named(line) for line in block.lines} == {each for each in everywhere() if re.match(MANY, each)}
    migrate, api, dispatcher = block.lines
    stage.port, other = free_port(), free_port()
    settings = {"ASSISTANCE_DATABASE_URL": postgres.at(postgres.empty())}
    (migrated,) = await stage.run([migrate], **settings)
    assert migrated.code == 0, migrated
    ready = f"http://127.0.0.1:{other}/readyz"
    async with (
        stage.serving(api, f"{stage.url}/readyz", **settings) as first,
        stage.serving(dispatcher, ready, PORT=str(other), **settings) as second,
    ):
        (sent,) = await stage.run(["assistance send --topic sales --description Hello --wait 10"])
        assert sent.out.startswith("notified: "), sent
        for running, url in ((first, f"{stage.url}/readyz"), (second, ready)):
            running.send(signal.SIGTERM)
            await running.answers(url, well=False)
            code, said = await running.ended(signal.SIGTERM)
            assert (code, '"event":"stopped"' in said) == (0, False)


@pytest.mark.skipif(missing() != "", reason=f"not installed: {missing()}")
async def test_the_edge(stage: Stage, around: Outside) -> None:
    """The edge before the service, started as its page says, with PEM files; `-t` checks it; SIGTERM ends it."""
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_pem.write_to_path(stage.folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(stage.folder / "chain.pem")
    (command,) = (each for each in everywhere() if re.match(EDGE, each))
    port = free_port()
    settings = {"EDGE_LISTEN": f"127.0.0.1:{port}", "EDGE_RUN_DIR": str(stage.folder / "run")}
    async with inside(around) as service:
        stage.port = int(service.url.rpartition(":")[2])
        (checked,) = await stage.run([f"{command} -t"], **settings)
        assert checked.code == 0, checked
        async with stage.serving(command, f"https://127.0.0.1:{port}/heartbeat", **settings) as edge:
            code, _ = await edge.ended(signal.SIGTERM)
    assert code == 0
