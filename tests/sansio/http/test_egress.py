"""Which hosts and addresses a guard lets pass: tables, and whatever else there may be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.egress import Guard, is_odd, special, stands_for

PUBLIC = Guard()
GLOBAL_UNICAST = IPv6Network("2000::/3")

REFUSED = [
    ("0.0.0.0", "the unspecified address"),
    ("0.1.2.3", "a private address"),
    ("10.0.0.5", "a private address"),
    ("100.64.0.1", "a private address"),
    ("127.0.0.1", "a loopback address"),
    ("127.255.255.254", "a loopback address"),
    ("169.254.0.23", "a link-local address"),
    ("172.16.0.1", "a private address"),
    ("172.31.255.255", "a private address"),
    ("192.0.0.8", ""),
    ("192.0.0.9", ""),
    ("192.0.2.1", "a private address"),
    ("192.88.99.1", ""),
    ("192.168.1.1", "a private address"),
    ("198.18.0.1", "a private address"),
    ("198.51.100.1", "a private address"),
    ("203.0.113.1", "a private address"),
    ("224.0.0.1", "a multicast address"),
    ("239.255.255.250", "a multicast address"),
    ("240.0.0.1", "a reserved address"),
    ("255.255.255.255", "a reserved address"),
    ("::", "the unspecified address"),
    ("::1", "a loopback address"),
    ("::7f00:1", "a reserved address"),  # IPv4-compatible
    ("::ffff:127.0.0.1", "a loopback address"),
    ("::ffff:10.0.0.1", "a private address"),
    ("::ffff:0:127.0.0.1", "a reserved address"),  # IPv4-translated (RFC 2765)
    ("64:ff9b::127.0.0.1", "a loopback address"),
    ("64:ff9b::10.0.0.1", "a private address"),
    ("64:ff9b:1::8.8.8.8", "a reserved address"),
    ("100::1", "a reserved address"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a private address"),  # Teredo
    ("2001:db8::1", "a private address"),
    ("2002:7f00:1::1", ""),  # 6to4
    ("2002:808:808::1", ""),
    ("3fff::1", ""),
    ("5f00::1", ""),
    ("fc00::1", "a private address"),
    ("fd12:3456::1", "a private address"),
    ("fe80::1", "a link-local address"),
    ("fe80::1%eth0", "a link-local address"),
    ("fec0::1", ""),
    ("ff02::1", "a multicast address"),
    ("4000::1", "a reserved address"),
]
METADATA = [
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "::ffff:168.63.129.16",
    "2002:a83f:8110::1",
]  # fmt: skip
LET = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize(("address", "why"), REFUSED)
def test_what_is_not_public_is_refused_by_name(address, why):
    assert why in PUBLIC.address("h.example", address)


@pytest.mark.parametrize("address", METADATA)
def test_the_metadata_services_of_clouds_are_refused(address):
    assert "metadata" in PUBLIC.address("h.example", address)
    assert "metadata" in Guard(allow=["h.example"]).address("h.example", address)
    exact = str(stands_for(ip_address(address))[-1])
    everything = [address, exact, "2002::/16"]
    assert Guard(allow=everything).address("h.example", address) is None


@pytest.mark.parametrize("address", LET)
def test_what_is_public_may_be_reached(address):
    assert PUBLIC.address("h.example", address) is None


@given(st.ip_addresses(v=4))
def test_however_an_ipv4_address_is_wrapped_it_is_judged_as_itself(address):
    refused = PUBLIC.address("h", str(address)) is not None
    for prefix in ("::ffff:", "64:ff9b::"):
        wrapped = IPv6Address(int(IPv6Address(f"{prefix}0.0.0.0")) | int(address))
        assert (PUBLIC.address("h", str(wrapped)) is not None) is refused


@given(st.ip_addresses())
def test_nothing_outside_the_public_ranges_passes(address):
    if PUBLIC.address("h", str(address)) is None:
        meant = stands_for(address)
        assert all(one.is_global and not one.is_multicast for one in meant)
        assert all(isinstance(one, IPv4Address) or one in GLOBAL_UNICAST for one in meant)
        assert all(special(one) is None for one in meant)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01", "0", "0x", "1.2.3.4.5",
     "017700000001", "h.example.0x1", "10.1.", "8.8.8.8."],
)  # fmt: skip
def test_odd_spellings_of_addresses_are_refused(host):
    assert "odd spelling" in PUBLIC.host(host)
    assert "odd spelling" in Guard(allow=["10.0.0.0/8", "h.example"]).host(host)
    assert is_odd(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "8.8.8.8", "::1", "fe80::1%eth0", "h.example", "1h", "xn--bcher-kva.example"]
)
def test_usual_spellings_are_judged_by_their_address(host):
    assert PUBLIC.host(host) is None
    assert not is_odd(host)


CASES = [
    (Guard(allow=["10.0.0.0/8"]), "h", "10.1.2.3", True),
    (Guard(allow=["10.0.0.0/8"]), "h", "::ffff:10.1.2.3", True),
    (Guard(allow=["10.0.0.0/8"]), "h", "64:ff9b::a01:203", True),
    (Guard(allow=["10.0.0.0/8"]), "h", "2002:a01:203::1", False),
    (Guard(allow=["10.0.0.0/8"]), "h", "192.168.0.1", False),
    (Guard(allow=["::1"]), "h", "::1", True),
    (Guard(allow=["[::1]"]), "h", "::1", True),
    (Guard(allow=["db.internal"]), "db.internal", "10.0.0.5", True),
    (Guard(allow=["db.internal"]), "DB.Internal.", "10.0.0.5", True),
    (Guard(allow=["db.internal"]), "xdb.internal", "10.0.0.5", False),
    (Guard(allow=["*.internal"]), "a.b.internal", "10.0.0.5", True),
    (Guard(allow=["*.internal"]), "internal", "10.0.0.5", False),
    (Guard(allow=["*.internal"]), "notinternal", "10.0.0.5", False),
    (Guard(allow=["bücher.example"]), "xn--bcher-kva.example", "10.0.0.5", True),
    (Guard(deny=["8.8.8.0/24"]), "h", "8.8.8.8", False),
    (Guard(deny=["8.8.8.0/24"]), "h", "::ffff:8.8.8.8", False),
    (Guard(deny=["8.8.8.0/24"]), "h", "64:ff9b::808:808", False),
    (Guard(allow=["8.8.8.8", "h"], deny=["8.8.8.0/24"]), "h", "8.8.8.8", False),
    (Guard(allow=["10.0.0.0/8"], deny=["10.0.0.1"]), "h", "10.0.0.1", False),
    (Guard(public=False), "h", "8.8.8.8", False),
    (Guard(public=False, allow=["8.8.8.8"]), "h", "8.8.8.8", True),
    (Guard(public=False, allow=["h.example"]), "h.example", "8.8.8.8", True),
    (Guard(public=False, allow=["h.example"]), "i.example", "8.8.8.8", False),
    (Guard(allow=["0.0.0.0/0"]), "h", "169.254.169.254", True),
]


@pytest.mark.parametrize(("guard", "host", "address", "let"), CASES)
def test_allow_and_deny(guard, host, address, let):
    assert (guard.address(host, address) is None) is let


def test_hosts_are_denied_by_name():
    guard = Guard(deny=["evil.example", "*.evil.example"], allow=["evil.example"])
    for host in ("evil.example", "EVIL.example.", "a.evil.example"):
        assert guard.host(host) == f"{host} is denied"
    assert guard.host("notevil.example") is None


@pytest.mark.parametrize(
    "entry",
    ["", "10.0.0.0/33", "10.0.0.1/8", "::g", "http://h.example", "h.example:80", "h.example/x", "*", "*.", "a.*.b", "0x7f.1", "10.1", "2130706433",
     "h example", "-h.example"],
)  # fmt: skip
def test_what_is_no_network_address_or_host_is_refused(entry):
    with pytest.raises(ValueError, match="is not a network, address or host"):
        Guard(allow=[entry])
