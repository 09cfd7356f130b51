"""A YAML file as plain data that still knows its lines.

Why not a library: PyYAML's plain loader forgets lines, and round-trip loaders keep them only to write the file again;
ours finds the line of any value, also through anchors and merges.
Scalars are read as YAML 1.2 reads them: `no`, `on`, `09:00` and dates are text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from assistance.routing.problem import Problem, RoutingError, shown

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"

Where = tuple[str | int, ...]
"""The path of a value: `("topics", "sales", "steps", 0)`."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core scalars instead of YAML 1.1's; `bad_keys` are those that are not text, or stand twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name and shape

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.bad_keys: list[tuple[int, str]] = []

    def compose_mapping_node(self, anchor: Any) -> MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode) or key.tag not in {_TEXT, _MERGE}:
                self.bad_keys.append((line, "a key must be text; if it is a name, write it in quotes"))
            elif key.value in first:
                self.bad_keys.append((line, f"{shown(key.value)} is already there, in line {first[key.value]}"))
            else:
                first[key.value] = line
        return node


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9]{0,17})?\.[0-9]{1,17}", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, with the line of each value."""

    file: str
    content: bytes
    data: dict[str, Any]
    root: MappingNode

    def line(self, path: Where) -> int:
        """The line of the value at `path`, or of the nearest value around it."""
        return [self.root.start_mark.line, *(line for _, line in self._along(path))][-1] + 1

    def problem(self, path: Where, text: str) -> Problem:
        """A problem of the value at `path`; the text begins with the path in words: `topics.sales.steps #2.after`."""
        words = "".join(
            f" #{part + 1}" if isinstance(part, int) else f".{shown(part)}" for part, _ in self._along(path)
        )
        return Problem(self.file, self.line(path), f"{words[1:]}: {text}" if words else text)

    def _along(self, path: Where) -> Iterator[tuple[str | int, int]]:
        """The parts of the path that the file has, each with its line."""
        node: Node = self.root
        for part in path:
            found = _child(node, part)
            if found is not None:
                line, node = found
                yield part, line


def read(path: Path) -> Document:
    """Read the file.

    Raises:
        RoutingError: it is not there, not UTF-8, not YAML, no mapping, or has keys twice.
    """
    file, text = str(path), ""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
        loader = _Loader(text)
        root = loader.get_single_node()
        if isinstance(root, MappingNode) and not loader.bad_keys:
            return Document(file, content, loader.construct_document(root), root)
        problems = loader.bad_keys or [(1, "must hold channels: and topics:")]
    except OSError as error:
        problems = [(1, f"cannot be read: {error.strerror or type(error).__name__}")]
    except UnicodeDecodeError as error:
        problems = [(error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8 text")]
    except ReaderError as error:
        problems = [(text.count("\n", 0, error.position) + 1, f"holds the control character {chr(error.character)!a}")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(", ".join(filter(None, (error.context, error.problem))).split())
        problems = [(mark.line + 1 if mark else 1, f"cannot be read as YAML: {what}")]
    except RecursionError:
        problems = [(1, "cannot be read as YAML: nested too deeply")]
    raise RoutingError(Problem(file, line, what) for line, what in problems)


def _child(node: Node, part: str | int) -> tuple[int, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    if isinstance(node, MappingNode):
        # From the end: what `<<` merges in comes before what overrides it.
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line, value
    return None
