"""Finding a channel's class by its type."""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TypeGuard

from assistance.channels._channel import Channel

_GROUP = "assistance.channels"


class UnknownTypeError(LookupError):
    """There is no channel of that type."""


def channel_types() -> tuple[str, ...]:
    """The types that the routing file may name, in alphabetical order."""
    return tuple(sorted(_own() | {point.name for point in entry_points(group=_GROUP)}))


def channel_class(type_: str) -> type[Channel]:
    """The class behind `type: …`; our own channels go before those of other packages. Raises UnknownTypeError."""
    if type_ in _own():
        module = importlib.import_module(f"{__package__}.{type_}")
        for member in vars(module).values():
            # In a folder the class may come from one of its files. What is imported from elsewhere is not its channel.
            if _is_channel(member) and f"{member.__module__}.".startswith(f"{module.__name__}."):
                return member
    for point in entry_points(group=_GROUP, name=type_):
        if _is_channel(found := point.load()):
            return found
    raise UnknownTypeError(type_)


def _own() -> set[str]:
    """The files and folders beside this one; a name that starts with `_` is no channel."""
    package = importlib.import_module(__package__ or "")
    return {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}


def _is_channel(found: object) -> TypeGuard[type[Channel]]:
    return isinstance(found, type) and issubclass(found, Channel)
