"""The private and loopback addresses that a download may connect to: DOWNLOAD_ALLOW_PRIVATE."""

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
    """The private hosts, ports and networks that are allowed; by default none."""

    everything: bool = False
    hosts: frozenset[str] = frozenset()  # lower-case names, at every port
    origins: frozenset[tuple[str, int]] = frozenset()  # a name or address, and a port
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether a link to host and port may lead to this private address."""
        name = _name(host)
        ip = ipaddress.ip_address(address)
        return (
            self.everything
            or name in self.hosts
            or not self.origins.isdisjoint({(name, port), (str(ip), port)})
            or any(ip in network for network in self.networks)
        )

    def with_origins(self, origins: Iterable[tuple[str, int]]) -> "PrivateHosts":
        """A copy that also allows these hosts at these ports."""
        named = {(_name(host), port) for host, port in origins}
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
    """The network of a CIDR or of a single address; None for a name."""
    try:
        return ipaddress.ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return None


def _name(host: str) -> str:
    """A host in the form in which two are compared."""
    return host.strip("[]").rstrip(".").lower()


def _host(word: str) -> str:
    """The name or address in a setting; raises ValueError."""
    name = _name(word)
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    # Digits and points alone are a mistyped address.
    if not _HOST.fullmatch(name) or not re.search("[a-z]", name):
        raise ValueError("is neither true nor false nor a list of host, host:port or CIDR")
    return name
