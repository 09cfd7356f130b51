"""Finding a channel's class by its type."""

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from assistance.channels._channel import Channel

_GROUP = "assistance.channels"


class UnknownTypeError(LookupError):
    """There is no channel of that type."""


@cache
def channel_types() -> tuple[str, ...]:
    """The types that the routing file may name, in alphabetical order."""
    return tuple(sorted(_here() | {point.name for point in entry_points(group=_GROUP)}))


@cache
def channel_class(type_: str) -> type[Channel]:
    """The class behind `type: …`; a file in this folder goes before another package's. Raises UnknownTypeError."""
    if type_ in _here():
        module = importlib.import_module(f"{__package__}.{type_}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            if issubclass(member, Channel) and member.__module__ == module.__name__:
                return member
    for point in entry_points(group=_GROUP, name=type_):
        found = point.load()
        if isinstance(found, type) and issubclass(found, Channel):
            return found
    raise UnknownTypeError(type_)


def _here() -> set[str]:
    package = importlib.import_module(__package__ or "")
    return {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
