"""Which address counts behind proxies."""

from ipaddress import ip_network

import pytest

from assistance.server.addresses import client_address

OURS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.1", [b"1.1.1.1"], "203.0.113.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", [b"6.6.6.6, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", [b"203.0.113.1", b"10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"203.0.113.1:5678"], "203.0.113.1"),
        ("fd00::1", [b"[2001:db8::1]:443"], "2001:db8::1"),
        ("::ffff:10.0.0.1", [b"2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [b"203.0.113.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.1, \xff"], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
    ],
)
def test_the_nearest_hop_that_is_no_proxy_of_ours_is_the_client(peer: str, forwarded: list[bytes], client: str):
    """What a client writes into the field itself is never believed; what cannot be read ends the search."""
    assert client_address(peer, forwarded, OURS) == client


def test_without_proxies_of_ours_the_field_counts_for_nothing():
    """By default the peer is the client."""
    assert client_address("10.0.0.1", [b"203.0.113.1"], ()) == "10.0.0.1"
