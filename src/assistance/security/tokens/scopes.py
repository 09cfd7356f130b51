"""The rights of the contract: exact words, never a prefix or a part of one."""

from typing import Final

from assistance.security.tokens.principal import Principal

PING: Final = "ping"
REQUEST: Final = "request-assistance"
READ: Final = "read-assistance"
WORK: Final = "work-assistance"
MANAGE: Final = "manage-assistance"

_ONE_TOPIC = f"{REQUEST}:"
_READING = frozenset({READ, WORK, MANAGE})


class MissingScopeError(Exception):
    """The token lacks `scope`, which this call needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


def may_request(principal: Principal, topic: str) -> bool:
    """Whether it may request assistance on `topic`, and read and cancel its own requests there."""
    topics = topics_for(principal)
    return topics is None or topic.lower() in topics


def may_read_all(principal: Principal) -> bool:
    """Whether it may read requests of other clients."""
    return not _READING.isdisjoint(principal.scopes)


def may_work(principal: Principal) -> bool:
    """Whether it may claim, release, resolve, reroute and reply."""
    return WORK in principal.scopes


def may_manage(principal: Principal) -> bool:
    """Whether it may retry, replay, reload, erase and read the configuration."""
    return MANAGE in principal.scopes


def topics_for(principal: Principal) -> frozenset[str] | None:
    """The topics on which it may request assistance, in lower case: None for all of them, empty for none."""
    if REQUEST in principal.scopes:
        return None
    return frozenset(scope.removeprefix(_ONE_TOPIC) for scope in principal.scopes if scope.startswith(_ONE_TOPIC))
