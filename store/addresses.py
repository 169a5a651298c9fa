"""Which network addresses a webhook may lead to: public ones, and those that the operator names.

The api asks when an endpoint is registered, to say early what will not work. What counts is the worker's question,
about the very address that it is about to connect to: a name may lead elsewhere by then.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# By the registries of special-purpose addresses (RFC 6890; IANA, October 2025). The standard library has such a table,
# too, which depends on its patch level: some of these ranges were public in it for years.
_CLOSED_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by the customers of a provider, and a cloud's metadata service
            "127.0.0.0/8",
            "168.63.129.16/32",  # public by number, but answered by a cloud's own metadata service
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# Of IPv6 only what is given out for the internet is open, less what is set aside within it.
_OPEN_IPV6 = IPv6Network("2000::/3")
_CLOSED_IPV6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: str, private_networks: Iterable[Network] = ()) -> bool:
    """Whether a webhook may connect to this numeric address.

    Args:
        address: IPv4 or IPv6, as a resolver returns it.
        private_networks: exceptions that the operator has named.
    """
    found = _embedded(ip_address(address.partition("%")[0]))
    if any(found.version == network.version and found in network for network in private_networks):
        return True
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _CLOSED_IPV4)
    return found in _OPEN_IPV6 and not any(found in network for network in _CLOSED_IPV6)


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, if it leads to one."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        inner = address.ipv4_mapped or address.sixtofour
        if inner:
            return inner
        if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long deprecated
            return IPv4Address(int(address))
    return address
