"""Which addresses a webhook may lead to."""

from ipaddress import ip_network

import pytest

from store.addresses import is_allowed


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "192.0.1.1",
        "172.32.0.1",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2001:4860:4860::8888",
        "2002:808:808::1",  # leads to 8.8.8.8
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of most clouds
        "100.100.100.200",  # and of one that has it in shared address space
        "168.63.129.16",  # and of one that has a public number
        "192.0.2.1",
        "192.0.0.1",
        "192.0.0.171",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "100::1",
        "2001:db8::1",
        "2001:20::1",
        "4000::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo for 127.0.0.1
        "2001:0:4136:e378:8000:63bf:f7f7:f7f7",  # and for 8.8.8.8: nobody needs it
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not is_allowed(address)


def test_exceptions_that_the_operator_names() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")]
    assert is_allowed("10.1.2.3", networks)
    assert is_allowed("::ffff:10.1.2.3", networks)
    assert is_allowed("fd00:1::5", networks)
    assert not is_allowed("10.2.0.1", networks)
