"""The Terraform for Auth0 is valid and uses only what the provider documents."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import hcl2
import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "terraform" / "auth0"
FILES = sorted(FOLDER.glob("*.tf"))
# Facts taken from the provider's documentation, release 1.55.0: names of arguments and blocks, which are required.
SCHEMA: dict[str, dict[str, dict[str, list[str]]]] = json.loads(
    (Path(__file__).parent / "auth0_schema.json").read_text()
)
CONTRACT_SCOPES = {"request-assistance", "read-assistance", "work-assistance", "manage-assistance", "ping"}
META = {"for_each", "depends_on", "dynamic", "__is_block__", "__comments__", "__inline_comments__"}

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def _loaded() -> list[dict[str, Any]]:
    return [hcl2.loads(file.read_text()) for file in FILES]


def _resources() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for document in _loaded():
        for resource in document.get("resource", []):
            for kind, named in resource.items():
                for name, body in named.items():
                    yield kind.strip('"'), name.strip('"'), body


def _bodies(body: dict[str, Any], path: str = "") -> Iterator[tuple[str, set[str], dict[str, Any]]]:
    """Every block of a resource: its path in the schema, the names in it, its content; dynamic blocks as if written."""
    dynamic = {
        name.strip('"'): [block["content"][0]]
        for entry in body.get("dynamic", [])
        for name, block in entry.items()
        if not name.startswith("__")
    }
    everything = {**{name: value for name, value in body.items() if name not in META}, **dynamic}
    yield path, set(everything), body
    for name, value in everything.items():
        for inner in value if isinstance(value, list) else []:
            if isinstance(inner, dict):
                yield from _bodies(inner, f"{path}.{name}".strip("."))


def test_every_argument_is_one_the_provider_documents() -> None:
    """Types, blocks and arguments exist, can be set, and none that is required is missing."""
    for kind, name, resource in _resources():
        for path, used, _ in _bodies(resource):
            known = SCHEMA[kind][path]
            assert used <= {*known["required"], *known["optional"]}, (kind, name, path)
            assert used >= set(known["required"]), (kind, name, path)


def test_the_resources_are_those_that_were_asked_for() -> None:
    """API, scopes, bot, its credentials and grant, roles and their permissions; nothing else."""
    assert {kind for kind, _, _ in _resources()} == set(SCHEMA)


def test_a_misspelt_argument_would_be_found() -> None:
    """The check above finds an argument that the provider does not document."""
    body = {"signing_algorithm": '"RS256"', "identifier": '"x"'}
    (_, used, _), *_ = _bodies(body)
    known = SCHEMA["auth0_resource_server"][""]
    assert not used <= {*known["required"], *known["optional"]}


def test_tokens_are_what_the_service_checks() -> None:
    """RS256, RBAC on, RFC 9068 with permissions; scopes are not inline; the provider is pinned to ~> 1.55."""
    server = next(body for kind, _, body in _resources() if kind == "auth0_resource_server")
    assert server["signing_alg"] == '"RS256"'
    assert server["enforce_policies"] is True
    assert server["token_dialect"] == '"rfc9068_profile_authz"'
    assert "scopes" not in server
    assert re.search(r'source\s+= "auth0/auth0"\n\s+version = "~> 1\.55"', (FOLDER / "versions.tf").read_text())


def test_the_bots_secret_stays_out_of_the_state() -> None:
    """The secret goes through an ephemeral variable into a write-only argument, and no output contains it."""
    credentials = next(body for kind, _, body in _resources() if kind == "auth0_client_credentials")
    assert credentials["client_secret_wo"] == "${var.bot_client_secret}"
    assert "client_secret" not in credentials
    variables = {k.strip('"'): v for doc in _loaded() for entry in doc.get("variable", []) for k, v in entry.items()}
    assert variables["bot_client_secret"]["ephemeral"] is True
    assert variables["bot_client_secret"]["sensitive"] is True
    everywhere = "".join(file.read_text() for file in FILES)
    assert everywhere.count("var.bot_client_secret") - everywhere.count("var.bot_client_secret_version") == 2
    assert "secret" not in re.sub(r"description.*", "", (FOLDER / "outputs.tf").read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_equals_signs_are_aligned(file: Path) -> None:
    """The formatting of `terraform fmt` as far as this can check it: indents of two, aligned equals signs."""
    lines = file.read_text().splitlines()
    assert not [line for line in lines if "\t" in line or line != line.rstrip() or (len(line) - len(line.lstrip())) % 2]
    pattern = re.compile(r'^( *)("?[\w-]+"?)( *)= (?!.*[\[{(]$)')
    for aligned, run in groupby(lines, key=lambda line: bool(pattern.match(line))):
        if aligned:
            assert len({line.index("= ") for line in run}) == 1


@needs_terraform
def test_terraform_fmt_has_nothing_to_change() -> None:
    """The real formatter agrees."""
    done = subprocess.run(["terraform", "fmt", "-check", "-diff", FOLDER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def _evaluate(folder: Path, expression: str, **variables: str) -> str:
    """What Terraform itself makes of an expression over our variables and locals; needs no provider."""
    for name in ("variables.tf", "locals.tf"):
        shutil.copy(FOLDER / name, folder)
    given = {"audience": "https://assistance.example.com/", "bot_client_secret": "x" * 48, **variables}
    arguments = [f"-var={name}={value}" for name, value in given.items()]
    done = subprocess.run(
        ["terraform", "console", *arguments], input=expression, capture_output=True, text=True, check=False, cwd=folder
    )
    return done.stdout + done.stderr


def _evaluated_list(folder: Path, name: str, **variables: str) -> list[str]:
    shown = _evaluate(folder, f"jsonencode({name})", **variables)
    quoted = next(line for line in shown.splitlines() if line.startswith('"'))
    found: list[str] = json.loads(json.loads(quoted))
    return found


@needs_terraform
def test_scopes_are_exactly_those_of_the_contract(tmp_path: Path) -> None:
    """The five scopes, and one narrower scope for each topic."""
    found = _evaluated_list(tmp_path, "keys(local.scopes)", topics='["sales","pricing"]')
    assert set(found) == CONTRACT_SCOPES | {"request-assistance:sales", "request-assistance:pricing"}


@needs_terraform
@pytest.mark.parametrize(
    ("bot_topics", "scopes"),
    [("[]", ["request-assistance"]), ('["sales"]', ["request-assistance:sales"])],
)
def test_a_bot_gets_all_topics_or_those_named(tmp_path: Path, bot_topics: str, scopes: list[str]) -> None:
    """The bot without topics gets the wide scope, with topics only the narrow ones."""
    assert _evaluated_list(tmp_path, "local.bot_scopes", topics='["sales"]', bot_topics=bot_topics) == scopes


@needs_terraform
@pytest.mark.parametrize(
    ("variable", "value"),
    [("topics", '["Sales Team"]'), ("bot_topics", '["unknown"]'), ("token_lifetime", "5"), ("audience", "x")],
)
def test_unfit_values_are_refused(tmp_path: Path, variable: str, value: str) -> None:
    """Terraform itself refuses what a variable's rule forbids."""
    assert "Invalid value for variable" in _evaluate(tmp_path, "1", **{variable: value})


def test_roles_give_one_scope_of_the_contract_each() -> None:
    """Reader, desk and operator: one scope each, none of them the bot's."""
    local = next(document["locals"][0] for document in _loaded() if "locals" in document)
    assert {role["scope"].strip('"') for name, role in local["roles"].items() if not name.startswith("__")} == {
        "read-assistance",
        "work-assistance",
        "manage-assistance",
    }
