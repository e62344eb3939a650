"""SSRF protection: which addresses a download may connect to, checked after DNS resolution."""

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.private_hosts import NO_PRIVATE_HOSTS, PrivateHosts
from bot.providers.parsing.links import is_loopback

# Fake IPs: Clash, sing-box and others resolve any name to this range; see docs/decisions.md.
# https://sing-box.sagernet.org/configuration/dns/server/fakeip/
_FAKE_IPS = ipaddress.ip_network("198.18.0.0/15")
# Link-local and cloud metadata addresses: they serve secrets to any client inside; never allowed.
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("169.254.0.0/16", "fe80::/10", "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128"),
    )
)
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry; listed here, as
# is_global of the standard library differs between Python versions.
NON_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host
            "169.254.0.0/16",  # link-local
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")  # everything else is local, reserved or embeds an IPv4 address
NON_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, including Teredo
            "2001:db8::/32",
            "3fff::/20",
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_NUMERIC = re.compile(  # an IPv4 address in any form that the resolver accepts
    r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}"
)
_ISATAP = {0x00005EFE, 0x02005EFE}  # RFC 5214: the four bytes before the embedded IPv4 address
_LOW = 0xFFFFFFFF  # mask of the last four bytes


class PrivateAddress(OSError):
    """The host resolves to a private address."""


def is_public(address: str) -> bool:
    """Whether an IP address is public; an IPv4 address embedded in an IPv6 one is checked too."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in NON_PUBLIC_V4)
    inner = _inner(ip)
    if inner is not None and not is_public(str(inner)):
        return False
    if ip.ipv4_mapped is not None or ip in _NAT64:
        return True
    return ip in _GLOBAL_V6 and not any(ip in network for network in NON_PUBLIC_V6)


def is_forbidden(address: str) -> bool:
    """Whether downloads from the address are refused whatever the settings allow."""
    ip = ipaddress.ip_address(address)
    inner = _inner(ip) if isinstance(ip, IPv6Address) else None
    return any(ip in network for network in _NEVER) or (inner is not None and is_forbidden(str(inner)))


def address_of(host: str) -> str | None:
    """The IP address if the host is a literal one, which bypasses the resolver; None for a name.

    Resolvers and proxies also accept 2130706433, 0x7f000001, 0177.0.0.1 and 127.1; localhost is literal too.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = host.rstrip(".").lower()
    if not _NUMERIC.fullmatch(name):
        return "127.0.0.1" if is_loopback(name) else None
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return None


def check_address(host: str, port: int, address: str, allowed: PrivateHosts) -> None:
    """Raise PrivateAddress if a download from host and port may not connect to this address."""
    is_allowed = is_public(address) or (not is_forbidden(address) and allowed.allows(host, port, address))
    if not is_allowed:
        raise PrivateAddress(f"{host} resolves to a private address")


class PublicResolver(AbstractResolver):
    """Resolves host names and rejects private addresses; fake IPs of a local proxy are accepted."""

    def __init__(
        self, names: AbstractResolver | None = None, *, allowed: PrivateHosts = NO_PRIVATE_HOSTS
    ) -> None:
        """names: the underlying resolver, by default the system's. allowed: private hosts to accept."""
        self._names = names or ThreadedResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for result in found:
            if ipaddress.ip_address(result["host"]) not in _FAKE_IPS:
                check_address(host, port, result["host"], self._allowed)
        return found

    async def close(self) -> None:
        await self._names.close()


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address embedded in an IPv6 one, or None."""
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip.ipv4_mapped is not None or ip.sixtofour is not None:
        return ip.ipv4_mapped or ip.sixtofour
    number = int(ip)
    holds = any(ip in network for network in (_NAT64, _NAT64_LOCAL, _COMPATIBLE, _TRANSLATED))
    if holds or (number >> 32) & _LOW in _ISATAP:
        return IPv4Address(number & _LOW)
    return None
