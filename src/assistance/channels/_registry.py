"""Finding a channel's class by its type."""

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from assistance.channels._channel import Channel


class UnknownTypeError(LookupError):
    """There is no channel of that type."""


@cache
def channel_types() -> tuple[str, ...]:
    """The types that the routing file may name, in alphabetical order."""
    package = importlib.import_module(__package__ or "")
    here = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    elsewhere = {point.name for point in entry_points(group="assistance.channels")}
    return tuple(sorted(here | elsewhere))


@cache
def channel_class(type_: str) -> type[Channel]:
    """The class behind `type: …`. Raises UnknownTypeError."""
    if type_ not in channel_types():
        raise UnknownTypeError(type_)
    for point in entry_points(group="assistance.channels", name=type_):
        found = point.load()
        if isinstance(found, type) and issubclass(found, Channel):
            return found
    module = importlib.import_module(f"{__package__}.{type_}")
    for _, member in inspect.getmembers(module, inspect.isclass):
        if issubclass(member, Channel) and member.__module__ == module.__name__:
            return member
    raise UnknownTypeError(type_)
