"""Which addresses may be reached by URLs that others choose (server-side request forgery).

The lists follow the IANA special-purpose address registries (RFC 6890 and its successors) and the cloud providers'
pages on their metadata services.
"""

import re
import socket
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from assistance.model import Misconfigured, Reason

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


_FORBIDDEN = (
    *_networks("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *_networks("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *_networks("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    # All of IPv6 that is not 2000::/3: loopback, NAT64, 100::/64, 5f00::/16, ULA, link-local, site-local, multicast.
    *_networks("::/3", "4000::/2", "8000::/1"),
    # Inside 2000::/3: IETF protocols with Teredo, documentation, 6to4.
    *_networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
_METADATA = _networks(
    "169.254.169.254/32",  # AWS, Azure, Google, Oracle, OpenStack and most others
    "169.254.170.2/32",  # AWS ECS task credentials
    "169.254.170.23/32",  # AWS EKS pod identity
    "168.63.129.16/32",  # Azure's wire server: a public address
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle, classic
    "fd00:ec2::254/128",
    "fd00:ec2::23/128",
    "fd20:ce::254/128",  # Google
    "fe80::a9fe:a9fe/128",  # OpenStack
)
_NAT64 = _networks("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96")
_WRAPPERS = frozenset({0, 0xFFFF})
"""The upper 96 bits of IPv4-compatible and IPv4-mapped addresses (RFC 4291, section 2.5.5)."""
_LOW_32 = 0xFFFF_FFFF
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
"""A name after IDNA, or an address: nothing percent-encoded, which each resolver reads in its own way."""
_HTTPS = 443


class ForbiddenAddressError(OSError):
    """The address must not be reached; an OSError because it is raised while connecting."""


def is_forbidden(ip: str, allow: Iterable[Network] = ()) -> bool:
    """Whether `ip` must not be reached: not public and in none of the networks `allow`, or a metadata service.

    An IPv4 address inside an IPv6 one is judged as IPv4. Raises ValueError when `ip` is no address.
    """
    address, judged = _read(ip)
    if _within((address, *_carried(address)), _METADATA):
        return True
    return _within((judged,), _FORBIDDEN) and not _within((address, judged), allow)


def _read(ip: str) -> tuple[Address, Address]:
    """The address as written, and as it is judged: unwrapped when it is IPv4-mapped or IPv4-compatible."""
    address = ip_address(ip.partition("%")[0])
    wrapped = isinstance(address, IPv6Address) and int(address) >> 32 in _WRAPPERS
    return address, IPv4Address(int(address) & _LOW_32) if wrapped else address


def _within(addresses: Iterable[Address], networks: Iterable[Network]) -> bool:
    networks = tuple(networks)
    return any(address in network for address in addresses for network in networks)


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 one stands for: mapped, compatible, NAT64, 6to4, Teredo."""
    if isinstance(address, IPv4Address):
        return ()
    if int(address) >> 32 in _WRAPPERS or _within((address,), _NAT64):
        return (IPv4Address(int(address) & _LOW_32),)
    found = (address.sixtofour, *(address.teredo or ()))
    return tuple(form for form in found if form is not None)


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address as it stands in a URL, can only be this machine (RFC 6761, section 6.3)."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost"
    # Python 3.13 counts ::ffff:127.0.0.1 as loopback; nobody writes that by accident.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def usable_url(text: str, *, guarded: bool) -> URL:
    """The URL, if it may be used at all; `guarded`: an AddressGuard vets where connections go.

    Raises:
        Misconfigured: it is no http or https URL, or it is plain http where TLS is required.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not _HOST.fullmatch(url.raw_host or ""):
        raise Misconfigured(Reason.DESTINATION)
    # Clear text: with a guard, a port that is not open to the public leads only to networks that the operator allows.
    if url.scheme == "http" and (url.port == _HTTPS if guarded else not is_loopback(url.host or "")):
        raise Misconfigured(Reason.TLS, code="https_required")
    return url


class AddressGuard(AbstractResolver):
    """Lets a connection out only to vetted addresses, and to the very ones that were vetted.

    Public addresses on the ports `ports`; any address and port in the networks `allow`; a metadata service never. A
    name is refused when one of its addresses is: a DNS answer that mixes public and private addresses gains nothing.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        ports: Collection[int] = (443,),
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Allow the networks `allow` (`10.0.0.0/8`); names are looked up by `resolver`, the system's by default.

        Raises ValueError when one of `allow` is no network.
        """
        self._allow = _networks(*allow)
        self._ports = frozenset(ports)
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, all of them vetted. Raises ForbiddenAddressError."""
        if self._resolver is None:
            self._resolver = ThreadedResolver()
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            self._vet(each["host"], port)
        return found

    def socket(self, info: AddrInfoType) -> socket.socket:
        """The socket for one connection; an address written in the URL passes no resolver and is vetted here."""
        family, kind, protocol, _, address = info
        self._vet(str(address[0]), int(str(address[1])))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Let the resolver go."""
        if self._resolver is not None:
            await self._resolver.close()

    def _vet(self, ip: str, port: int) -> None:
        listed = _within(_read(ip), self._allow)
        if is_forbidden(ip, self._allow) or (port not in self._ports and not listed):
            raise ForbiddenAddressError("neither a public address on an open port, nor in a network that is allowed")
