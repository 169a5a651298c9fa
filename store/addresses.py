"""Which network addresses a webhook may lead to: public ones, and those that the operator names.

The api asks when an endpoint is registered, to say early what will not work. What counts is the worker's question,
about the very address that it is about to connect to: a name may lead elsewhere by then.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# Public by number, but answered by the cloud's own metadata service.
_METADATA = frozenset({IPv4Address("168.63.129.16")})
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
    return found.is_global and not found.is_multicast and not found.is_reserved and found not in _METADATA


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, if it leads to one."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner:
            return inner
        if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long deprecated
            return IPv4Address(int(address))
    return address
