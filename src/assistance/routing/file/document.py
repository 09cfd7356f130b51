"""A YAML file as plain data that still knows its lines.

Scalars are read as YAML 1.2 reads them: `no`, `on`, `09:00` and dates are text. What YAML has beyond data (tags,
endless aliases, nesting without end) is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from assistance.routing.problem import Problem, RoutingError, shown

MAX_BYTES = 1_000_000
_MAX_DEPTH = 32
_MAX_NODES = 200_000
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"

Path_ = Sequence[str | int]
"""Where a value stands: `("topics", "sales", "steps", 0)`."""


class _Loader(yaml.SafeLoader):
    """Composes nodes within bounds; YAML 1.2's core scalars instead of YAML 1.1's."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name and shape
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="a tag (!…) has no place here", problem_mark=event.start_mark)
        if self.depth >= _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


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
    """A file's data; `line` says where a value of it stands."""

    file: str
    content: bytes
    data: dict[str, Any]
    root: MappingNode

    def line(self, path: Path_) -> int:
        """The line of the value at `path`, or of the nearest that there is around it."""
        node: Node = self.root
        line = node.start_mark.line
        for part in path:
            found = _child(node, part)
            if found is not None:
                line, node = found
        return int(line) + 1

    def problem(self, path: Path_, text: str) -> Problem:
        """A problem of the value at `path`; the text begins with where that is."""
        where = self.where(path)
        return Problem(self.file, self.line(path), f"{where}: {text}" if where else text)

    def where(self, path: Path_) -> str:
        """The path in words, as far as the file has it: `topics.sales.steps #2.after`."""
        words = ""
        node: Node = self.root
        for part in path:
            found = _child(node, part)
            if found is not None:
                words += f" #{part + 1}" if isinstance(part, int) else f".{shown(part)}"
                node = found[1]
        return words.removeprefix(".")


def read(path: Path) -> Document:
    """Read the file. Raises RoutingError: not there, too large, not UTF-8, not YAML, keys twice."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RoutingError([Problem(file, 1, f"cannot be read: {error.strerror or type(error).__name__}")]) from None
    root = _compose(file, content)
    if not isinstance(root, MappingNode):
        raise RoutingError([Problem(file, 1, "must hold channels: and topics:")])
    if problems := [Problem(file, line, text) for line, text in _key_problems(root)]:
        raise RoutingError(problems)
    return Document(file, content, _construct(file, root), root)


def _compose(file: str, content: bytes) -> Node | None:
    if len(content) > MAX_BYTES:
        raise RoutingError([Problem(file, 1, f"is larger than {MAX_BYTES:,} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RoutingError([Problem(file, line, "is not UTF-8 text")]) from None
    if unprintable := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, unprintable.start()) + 1
        raise RoutingError([Problem(file, line, f"holds the control character {unprintable[0]!a}")])
    try:
        loader = _Loader(text)
        root: Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise RoutingError([_unreadable(file, error)]) from None
    if root is not None and _size(root, {}) > _MAX_NODES:
        raise RoutingError([Problem(file, 1, f"its aliases stand for more than {_MAX_NODES:,} values, or themselves")])
    return root


def _construct(file: str, root: MappingNode) -> dict[str, Any]:
    loader = _Loader("")
    try:
        data: dict[str, Any] = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise RoutingError([_unreadable(file, error)]) from None
    return data


def _unreadable(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(filter(None, (error.context, error.problem)))
    return Problem(file, mark.line + 1 if mark else 1, f"cannot be read as YAML: {' '.join(said.split())}")


def _size(node: Node, known: dict[int, int]) -> int:
    """How many values `node` stands for with its aliases written out; endless where one holds itself."""
    if id(node) not in known:
        known[id(node)] = _MAX_NODES + 1
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


def _key_problems(root: Node) -> Iterator[tuple[int, str]]:
    """Keys that stand twice, and keys that are not text."""
    waiting, met = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        if isinstance(node, MappingNode):
            yield from _bad_keys(node)
        for child in _children(node):
            if id(child) not in met:
                met.add(id(child))
                waiting.append(child)


def _bad_keys(node: MappingNode) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or key.tag not in {_TEXT, _MERGE}:
            yield line, "a key must be text; if it is a name, write it in quotes"
        elif key.value in first:
            yield line, f"{shown(key.value)} is already there, in line {first[key.value]}"
        else:
            first[key.value] = line


def _child(node: Node, part: str | int) -> tuple[int, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    if isinstance(node, MappingNode):
        # The last one counts: what `<<` brings in stands before what overrides it.
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line, value
    return None
