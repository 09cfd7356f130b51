from pathlib import Path

import pytest

from assistance.routing import RoutingError
from assistance.routing.file.document import read


def refused(path: Path) -> tuple[int, str]:
    with pytest.raises(RoutingError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{path}:{problem.line}: ")
    assert "\n" not in str(problem)
    return problem.line, problem.text


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"", 1, "must hold channels"),
        (b"- a\n", 1, "must hold channels"),
        (b"a: 1\nb: [1, 2\n", 3, "cannot be read as YAML"),
        (b"a: 1\nb:\n\t- x\n", 3, "cannot be read as YAML"),
        (b"a: 1\nb: *nobody\n", 2, "undefined alias"),
        (b"a: 1\n---\nb: 1\n", 2, "another document"),
        (b"a: 1\nb: 2\na: 3\n", 3, "a is already there, in line 1"),
        (b"a:\n  - x: 1\n    x: 2\n", 3, "x is already there, in line 2"),
        (b"a: 1\n5: x\n", 2, "a key must be text"),
        (b"a: 1\n? [x]\n: y\n", 2, "a key must be text"),
        (b"a: 1\nb: !!python/object:os.system x\n", 2, "could not determine a constructor for the tag"),
        (b"a: 1\nb: !!binary x\n", 2, "cannot be read as YAML"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"a: 1\nb: \x01\n", 2, "control character"),
        (b"a: 1\nb: " + b"[" * 5000, 1, "nested too deeply"),
        (b"a:\n  <<: 5\n", 2, "cannot be read as YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(tmp_path: Path, content: bytes, line: int, says: str) -> None:
    """Broken, doubled, tagged: each is one problem at the right line, and never a crash."""
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    found, text = refused(path)
    assert says in text
    assert found == line


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    """The operating system's reason is given."""
    assert refused(tmp_path / "missing.yaml") == (1, "cannot be read: No such file or directory")
    assert refused(tmp_path) == (1, "cannot be read: Is a directory")


def test_words_that_old_yaml_takes_for_other_things_stay_text(tmp_path: Path) -> None:
    """`no`, `on`, times, dates and leading zeros are what they look like; a byte order mark does not matter."""
    path = tmp_path / "f.yaml"
    text = "no: on\nat: 2026-11-23T10:00:00+01:00\ntime: 10:30\ncode: 0123\nyes: true\nnumber: 12\npart: 1.5\nnil: ~\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(path).data == {
        "no": "on",
        "at": "2026-11-23T10:00:00+01:00",
        "time": "10:30",
        "code": "0123",
        "yes": True,
        "number": 12,
        "part": 1.5,
        "nil": None,
    }


def test_lines_are_found_through_anchors_and_merges(tmp_path: Path) -> None:
    """A value that came from elsewhere is at the line where it is written, an override at its own."""
    path = tmp_path / "f.yaml"
    path.write_text(
        "base: &base\n  x: 1\n  y: 2\nuse:\n  <<: *base\n  y: 3\nlist:\n  - a\n  - [b,\n     c]\n", encoding="utf-8"
    )
    document = read(path)
    assert document.data["use"] == {"x": 1, "y": 3}
    assert document.line(("use", "x")) == 2
    assert document.line(("use", "y")) == 6
    assert document.line(("list", 1, 1)) == 10
    assert document.line(("use", "nothing", "there")) == 4
