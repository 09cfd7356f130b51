"""The house rules that no other tool checks; a failure lists each place that breaks the rule."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
MIGRATIONS = ROOT / "src/assistance/store/engine/migrations/versions"
LEAST_LINES = 30
FUNCTION_LINES = 60
SAYS_NOTHING = re.compile(r"_?(utils?|helpers?|common|base|managers?|misc)")
MOCKS = re.compile(r"\b(mock\.patch|MagicMock|AsyncMock|create_autospec)\b")
SLEEPS = re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\))")
EMPTY_WORDS = re.compile(r"\bdef _?(tell|told|settle|hold)\b")
STORE_INSIDES = re.compile(
    r"\bassistance\.store\S*( import .*\b_[a-z]|\._[a-z])|\bstore\._[a-z]"
    r"|\b(database|migrations|postgresql|sqlite|store|waking|writer), \"_[A-Za-z]"
)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")
THIS = Path(__file__)
SMALL = {
    "src/assistance/channels/log.py": "a channel is a file",
    "src/assistance/cli/failure.py": "every command raises it, the program catches it",
    "src/assistance/security/hooks.py": "one signature, which several fronts will check",
    "src/assistance/settings/development.py": "constants of development mode, for the service and the commands",
}
"""Modules of fewer than 30 lines, and why."""
PLANTED = ROOT / "tests/proofs/planted.py"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository, and new ones that are not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git work tree")
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line with its position, `file:line`; none for a file that is not text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{path.relative_to(ROOT)}:{number}", line


def places(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [f"{place}: {line.strip()}" for path in paths for place, line in lines(path) if pattern.search(line)]


def none_of(offenders: list[str]) -> None:
    assert not offenders, "\n" + "\n".join(offenders)


def test_every_module_fits_on_a_few_screens() -> None:
    """No module is longer than 400 lines."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules("src", "tests", "bench")}
    none_of([f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > MODULE_LINES])


def test_no_module_is_too_small_for_a_file_of_its_own() -> None:
    """No module of the service is shorter than 30 lines without a reason; migrations and `__init__` may be."""
    small = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path in modules("src")
        if "migrations" not in path.parts and path.name not in {"__init__.py", "__main__.py"}
        if (length := len(path.read_text(encoding="utf-8").splitlines())) < LEAST_LINES
    ]
    none_of([each for each in small if each.partition(":")[0] not in SMALL])


def test_every_function_fits_on_a_screen() -> None:
    """No function is longer than 60 lines, its docstring included; a migration is a list, however long."""
    too_long = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}, {length} lines"
        for path in modules("src", "tests", "bench")
        if path.parent != MIGRATIONS
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    none_of(too_long)


def test_every_module_is_named_by_what_it_holds() -> None:
    """No module or folder is called utils, helpers, common, base, manager or misc."""
    names = [path.relative_to(ROOT) for path in modules("src", "tests", "bench")]
    none_of([str(name) for name in names if any(SAYS_NOTHING.fullmatch(Path(part).stem) for part in name.parts)])


def test_no_function_is_called_by_a_word_for_many_things() -> None:
    """None of the service is called tell, told, settle or hold: it notifies, logs, records, leases or locks."""
    none_of(places(EMPTY_WORDS, modules("src")))


def test_no_docstring_is_there_only_to_be_there() -> None:
    """None of the service says "See the class."."""
    none_of(places(re.compile(r"See the class\."), modules("src")))


def test_no_test_uses_what_is_private_to_the_store() -> None:
    """Tests keep to what other rooms may use; only planted bugs are put in by private names."""
    found = places(STORE_INSIDES, [path for path in modules("tests", "bench") if path not in {THIS, PLANTED}])
    none_of(found)


def test_every_test_says_what_it_proves() -> None:
    """Each test function has a docstring of its own."""
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}"
        for path in modules("tests")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    none_of(silent)


def test_nothing_of_ours_is_mocked() -> None:
    """Tests use stubs over real sockets; no module asks for a mock."""
    none_of(places(MOCKS, [path for path in modules("src", "tests") if path != THIS]))


def test_no_test_waits_for_luck() -> None:
    """Tests wait for a condition, or move a clock of their own; none sleeps."""
    none_of(places(SLEEPS, [path for path in modules("tests") if path != THIS]))


def test_no_file_names_a_package_index() -> None:
    """The package index is a setting of each machine, never of the repository."""
    hosts = re.compile("|".join(re.escape(host) for host in (PyPI.netloc, PyPI.file_storage_domain)))
    none_of(places(hosts, list(tracked())))


def test_no_file_names_a_path_of_one_machine() -> None:
    """No file contains the folder of this work tree, or a home folder."""
    here = [re.escape(f"{path}/") for path in (ROOT, Path.home()) if path != Path(path.root)]
    machine = re.compile("|".join([*here, r"/(?:home|Users)/\w+/"]))
    none_of(places(machine, list(tracked())))


def test_every_link_between_pages_leads_somewhere() -> None:
    """Each relative link in a Markdown file points to a file or folder that exists."""
    broken = [
        f"{place}: {target}"
        for path in tracked()
        if path.suffix == ".md"
        for place, line in lines(path)
        for target in LINK.findall(line)
        if not (path.parent / target).exists()
    ]
    none_of(broken)


def test_every_test_runs_in_exactly_one_tier(pytestconfig: pytest.Config) -> None:
    """Whatever its marks, one command runs a test; plain `pytest` runs what `make test` does."""
    of_make = re.findall(r'pytest -m "([^"]+)"', (ROOT / "Makefile").read_text(encoding="utf-8"))
    for proof, alone, long in product((False, True), repeat=3):
        # tests/conftest.py marks each `alone` as a `proof`.
        marks = {"proof": proof or alone, "alone": alone, "long": long}
        assert [eval(chosen, {}, marks) for chosen in [*of_make, "long"]].count(True) == 1, marks
    assert pytestconfig.getini("addopts")[-1] == of_make[0]


def test_no_other_option_of_make_leaves_a_test_out() -> None:
    """The Makefile gives pytest no folder, file or name."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for options in re.findall(r'pytest -m "[^"]+"(.*)', makefile):
        assert set(options.split()) <= {"-rs", "$(parallel)"}
