"""Which private and loopback addresses a download may connect to, as DOWNLOAD_ALLOW_PRIVATE says."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

_LAST_PORT = 65535
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252})", re.ASCII)
_WITH_PORT = re.compile(r"(\[[^\]]+\]|[^:]+):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateHosts:
    """The hosts, ports and networks that are allowed although they are private; none unless named."""

    everything: bool = False
    hosts: frozenset[str] = frozenset()  # lower-case names, at every port
    origins: frozenset[tuple[str, int]] = frozenset()  # a name or address, and the one port
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether a link to host and port may lead to this private address."""
        name = host.strip("[]").rstrip(".").lower()
        ip = ipaddress.ip_address(address)
        return (
            self.everything
            or name in self.hosts
            or not self.origins.isdisjoint({(name, port), (str(ip), port)})
            or any(ip in network for network in self.networks)
        )

    def with_origins(self, origins: Iterable[tuple[str, int]]) -> "PrivateHosts":
        """The same, and these hosts at these ports."""
        named = {(host.strip("[]").rstrip(".").lower(), port) for host, port in origins}
        return replace(self, origins=self.origins | named)

    def __bool__(self) -> bool:
        return self != NO_PRIVATE_HOSTS

    def __str__(self) -> str:
        if self.everything:
            return "true"
        named = [*self.hosts, *(f"{host}:{port}" for host, port in self.origins), *map(str, self.networks)]
        return ", ".join(sorted(named)) or "false"


NO_PRIVATE_HOSTS = PrivateHosts()


def private_hosts(words: Iterable[str]) -> PrivateHosts:
    """Read a list of host, host:port or CIDR; raises ValueError, whose text ends a sentence."""
    hosts: set[str] = set()
    origins: set[tuple[str, int]] = set()
    networks: list[IPv4Network | IPv6Network] = []
    for word in words:
        if network := _network(word):
            networks.append(network)
        elif (parts := _WITH_PORT.fullmatch(word)) and 0 < int(parts[2]) <= _LAST_PORT:
            origins.add((_host(parts[1]), int(parts[2])))
        else:
            hosts.add(_host(word))
    return PrivateHosts(hosts=frozenset(hosts), origins=frozenset(origins), networks=tuple(networks))


def _network(word: str) -> IPv4Network | IPv6Network | None:
    """A network, or a single address as one."""
    try:
        return ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return None


def _host(word: str) -> str:
    name = word.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    # Digits and points alone would be an address with a mistake in it.
    if not _HOST.fullmatch(name) or not re.search("[a-z]", name):
        raise ValueError("is neither true nor false nor a list of host, host:port or CIDR")
    return name
