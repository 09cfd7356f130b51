"""Where a request comes from, when proxies stand in between."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


def client_address(peer: str, forwarded: Iterable[bytes], trusted: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """The nearest hop that is no proxy of ours.

    Args:
        peer: the address of the connection's other end.
        forwarded: the values of `X-Forwarded-For`, in their order; each proxy adds its own peer at the end.
        trusted: the proxies whose word counts. Nobody else's does: without any, the answer is `peer`.
    """
    nearest = peer
    hops = [hop.strip() for value in forwarded for hop in value.decode("latin-1").split(",")]
    while hops and (address := _parsed(nearest)) and any(address in network for network in trusted):
        hop = _parsed(_without_port(hops.pop()))
        if hop is None:
            break
        nearest = str(hop)
    return nearest


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
