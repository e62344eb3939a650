"""Which addresses a download may connect to, decided where the connection is made."""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

# Any name leads there where Clash, sing-box or their kin route the traffic; docs/decisions.md says more:
# https://sing-box.sagernet.org/configuration/dns/server/fakeip/
_STAND_INS = ipaddress.ip_network("198.18.0.0/15")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address


class PrivateAddress(OSError):
    """The name or number leads into a private network."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, the IPv4 address inside an IPv6 one included."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is not None and not is_public(str(inner)):
            return False
    return ip.is_global and not ip.is_multicast


def is_address(host: str) -> bool:
    """Whether a host is an IP address written out, which no resolver is asked for."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is neither public nor a stand-in."""

    def __init__(self, names: AbstractResolver | None = None) -> None:
        """names: who is asked; by default the system."""
        self._names = names or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if not all(is_public(result["host"]) or _is_stand_in(result["host"]) for result in found):
            raise PrivateAddress(f"{host} leads to a private address")
        return found

    async def close(self) -> None:
        await self._names.close()


def _is_stand_in(address: str) -> bool:
    return ipaddress.ip_address(address) in _STAND_INS


def _inner(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.teredo is not None:
        return ip.teredo[1]
    return ip.ipv4_mapped or ip.sixtofour
