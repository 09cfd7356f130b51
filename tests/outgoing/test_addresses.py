"""URLs that others choose reach nothing that they should not."""

import errno
import socket
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from tests.fakes.raw_http import RawHttp

from assistance.model import Misconfigured, Reason, Verdict
from assistance.outgoing import AddressGuard, Http, is_forbidden
from assistance.outgoing.addresses import _networks

HOSTS = (Path(__file__).parent / "forbidden_hosts.txt").read_text(encoding="utf-8").split()
OTHERS = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1/",
    "//127.0.0.1/",
    "http:///127.0.0.1/",
    "unix:/x",
]


def _sixth() -> str:
    """The loopback address of IPv6; machines without it do with IPv4."""
    with socket.socket(socket.AF_INET6) as probe:
        return "::1" if probe.connect_ex(("::1", 9)) in {0, errno.ECONNREFUSED} else "127.0.0.1"


SIXTH = _sixth()


class Names(AbstractResolver):
    """Knows some names, each with its answers in turn, and leaves the rest to the system."""

    def __init__(self, answers: dict[str, list[list[str]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.answers:
            return await ThreadedResolver().resolve(host, port, family)
        turns = self.answers[host]
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=0) for ip in found
        ]

    async def close(self) -> None:
        pass


async def test_no_url_of_the_list_reaches_the_canary() -> None:
    """More than sixty ways to write what is forbidden end in a verdict, and the canary sees no connection."""
    inside = {name: [["127.0.0.1"]] for name in ("localhost.", "a.inside.test", "good.test")}
    names = Names({**inside, "mixed.test": [["1.1.1.1", "127.0.0.1"]]})
    async with RawHttp() as canary, RawHttp(host=SIXTH) as sixth:
        ports = {canary.port, sixth.port}
        urls = [f"http://{host}:{port}/latest" for host in HOSTS for port in ports] + OTHERS
        assert len(HOSTS) + len(OTHERS) >= 60
        async with Http(guard=AddressGuard(ports=ports, resolver=names)) as http:
            for url in urls:
                with pytest.raises(Misconfigured) as caught:
                    await http.post(url, json={})
                assert caught.value.reason in {Reason.FORBIDDEN_ADDRESS, Reason.DESTINATION}, url
        assert (canary.connections, sixth.connections) == (0, 0)


async def test_the_list_has_teeth() -> None:
    """Without the guard the same canary is reached, so the list above proves something."""
    async with RawHttp() as canary, Http() as http:
        await http.post(f"http://127.0.0.1:{canary.port}/latest", json={})
        await http.post(f"http://localhost:{canary.port}/latest", json={})
    assert canary.connections == 2


@pytest.mark.parametrize("ip", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_not_forbidden(ip: str) -> None:
    """What is public may be reached."""
    assert not is_forbidden(ip)


@pytest.mark.parametrize(
    "ip", [host.strip("[]") for host in HOSTS if host.strip("[]").replace("%25", "%")[0] in "12:f35"]
)
def test_every_address_of_the_list_is_forbidden_by_itself(ip: str) -> None:
    """The judgement stands without any resolver in front; what is no address is an error."""
    try:
        assert is_forbidden(ip.replace("%25", "%"))
    except ValueError:
        assert ip.count(":") < 2


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
        *("fd00:ec2::254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "fe80::a9fe:a9fe%eth0"),
    ],
)
def test_a_metadata_service_stays_forbidden_whatever_is_allowed(ip: str) -> None:
    """Not even `0.0.0.0/0` and `::/0` open it, in any of its forms."""
    assert is_forbidden(ip, _networks("0.0.0.0/0", "::/0"))


async def test_an_allowed_network_is_reached_on_any_port() -> None:
    """The operator's own callbacks inside work, by address and by name, in clear too."""
    async with (
        RawHttp() as server,
        Http(guard=AddressGuard(["127.0.0.0/8"], resolver=Names({"bot.test": [["127.0.0.1"]]}))) as http,
    ):
        await http.post(server.url, json={})
        await http.post(f"http://bot.test:{server.port}/", json={})
    assert [request.headers["host"] for request in server.requests] == [
        f"127.0.0.1:{server.port}",
        f"bot.test:{server.port}",
    ]


async def test_a_public_address_is_reached_on_port_443_only() -> None:
    """A port that is not open is refused before any packet leaves."""
    async with Http(guard=AddressGuard()) as http:
        for url in ("https://1.1.1.1:8443/", "http://1.1.1.1/", "https://[2606:4700::1111]:22/"):
            with pytest.raises(Misconfigured) as caught:
                await http.post(url, json={})
            assert caught.value.reason == Reason.FORBIDDEN_ADDRESS


async def test_public_traffic_is_never_in_clear() -> None:
    """Port 443 without TLS is refused."""
    async with Http(guard=AddressGuard()) as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post("http://1.1.1.1:443/", json={})
    assert caught.value.code == "https_required"


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """What is connected to is what was vetted: one look-up a connection, and the next answer is vetted again."""
    names = Names({"rebind.test": [["127.0.0.2"], ["127.0.0.1"]]})
    guard = AddressGuard(["127.0.0.2/32"], resolver=names)
    async with RawHttp() as canary, RawHttp(host="127.0.0.2") as good, Http(guard=guard) as http:
        await http.post(f"http://rebind.test:{good.port}/", json={})
        assert (good.connections, len(names.asked)) == (1, 1)
        with pytest.raises(Misconfigured) as caught:
            await http.post(f"http://rebind.test:{canary.port}/", json={})
    assert (caught.value.reason, canary.connections) == (Reason.FORBIDDEN_ADDRESS, 0)


async def test_a_name_with_one_forbidden_address_is_refused_whole() -> None:
    """A good address beside a bad one is not reached either: which of them a client uses is chance."""
    names = Names({"mixed.test": [["127.0.0.2", "127.0.0.1"]]})
    guard = AddressGuard(["127.0.0.2/32"], resolver=names)
    async with RawHttp(host="127.0.0.2") as good, Http(guard=guard) as http:
        with pytest.raises(Misconfigured) as caught:
            await http.post(f"http://mixed.test:{good.port}/", json={})
    assert (caught.value.reason, good.connections) == (Reason.FORBIDDEN_ADDRESS, 0)


async def test_an_address_written_in_the_url_is_vetted_though_no_resolver_sees_it() -> None:
    """It is vetted where the socket is made."""
    names = Names({})
    async with (
        RawHttp() as canary,
        Http(guard=AddressGuard(["10.0.0.0/8"], ports={canary.port}, resolver=names)) as http,
    ):
        with pytest.raises(Verdict) as caught:
            await http.post(canary.url, json={})
    assert (caught.value.reason, names.asked, canary.connections) == (Reason.FORBIDDEN_ADDRESS, [], 0)
