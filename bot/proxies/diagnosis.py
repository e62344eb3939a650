"""Finds out why connections through a proxy fail, in a sentence that names the proxy.

HTTP clients report one error for many reasons, each another one. So after a failure the proxy is tried step
by step: connect, TLS, log in, and have it connect to the same target. If it does not speak what its setting
says, what it does speak is found out.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from bot.proxies.container import is_in_container
from bot.proxies.protocols import spoken_schemes
from bot.proxies.proxy import Proxy
from bot.proxies.socks5 import (
    LoginRefused,
    NotSocks,
    SocketStream,
    TargetRefused,
    greet,
    open_socket,
    request,
)

STEP_S = 5.0  # for each step
_PROTOCOL_S = 2.0  # for finding out what the proxy speaks
_KEPT_S = 5.0  # how long a finding is used again
_MAX_TARGETS = 100  # whose findings are kept
_PORTS = {"http": 80, "https": 443}
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})\b")
_LACKING = {"http": "HTTP", "https": "TLS", "socks5": "SOCKS", "socks5h": "SOCKS"}
_OTHER = {
    "http": "it is an HTTP proxy, so write http://",
    "https": "it speaks TLS, so write https://",
    "socks5h": "it is a SOCKS proxy, so write socks5h://",
}
_CONTAINER = (
    "; inside a container 127.0.0.1 is the container itself: write host.docker.internal"
    " (compose.yaml maps it to this machine), and have the proxy listen there"
)

T = TypeVar("T")


class ProxyFault(StrEnum):
    """What is wrong."""

    UNKNOWN_NAME = "unknown_name"  # the proxy's name can't be resolved
    REFUSED = "refused"  # nobody listens there
    SILENT = "silent"  # no connection, or no answer
    LOGIN = "login"  # user name and password are refused or missing
    PROTOCOL = "protocol"  # it does not speak what the setting says
    UNTRUSTED = "untrusted"  # the certificate of an https:// proxy
    TARGET = "target"  # the proxy works and does not reach the target


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why connections fail; as text a sentence without its full stop."""

    fault: ProxyFault
    text: str

    @property
    def is_proxys(self) -> bool:
        """Whether no target can be reached until an admin acts."""
        return self.fault is not ProxyFault.TARGET

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class _Finding:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    trouble: Trouble | None = None
    at: float | None = None  # on the clock


class ProxyDiagnosis:
    """Tries one proxy; bounded in time, and at most once in a few seconds for each target."""

    def __init__(
        self,
        proxy: Proxy,
        *,
        tls: ssl.SSLContext | bool = True,
        in_container: bool | None = None,
        step_s: float = STEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """in_container: None: found out. step_s: the time for each step."""
        self.proxy = proxy
        self._tls = tls
        self._in_container = is_in_container() if in_container is None else in_container
        self._step_s = step_s
        self._clock = clock
        self._proxys = _Finding()  # that does not depend on the target
        self._findings: dict[tuple[str, int], _Finding] = {}

    async def trouble(self, url: str | None) -> Trouble | None:
        """Why an http(s) URL can't be reached; None: it can be, as far as the proxy is concerned.

        url: None: try the proxy as far as that needs no target.
        """
        try:
            parts = urlsplit(url or "")
            host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return None
        finding = self._findings.setdefault((host, port), _Finding())
        if len(self._findings) > _MAX_TARGETS:
            del self._findings[next(iter(self._findings))]
        async with finding.lock:
            for known in (self._proxys, finding):
                if known.at is not None and self._clock() - known.at < _KEPT_S:
                    return known.trouble
            finding.trouble = await self._find(host, port, is_tunnel=parts.scheme == "https")
            finding.at = self._clock()
            if finding.trouble is not None and finding.trouble.is_proxys:
                self._proxys.trouble, self._proxys.at = finding.trouble, finding.at
            return finding.trouble

    async def _find(self, host: str, port: int, *, is_tunnel: bool) -> Trouble | None:
        try:
            sock = await self._step(open_socket(self.proxy.host, self.proxy.port))
        except socket.gaierror:
            return self._trouble(
                ProxyFault.UNKNOWN_NAME, f"does not exist: {self.proxy.host} is an unknown name"
            )
        except ConnectionRefusedError:
            return self._trouble(ProxyFault.REFUSED, f"refuses connections{self._hint()}")
        except TimeoutError:
            return self._trouble(ProxyFault.SILENT, f"does not respond{self._hint()}")
        except OSError as error:
            return self._trouble(ProxyFault.SILENT, f"can't be reached: {error.strerror}{self._hint()}")
        try:
            if self.proxy.is_socks:
                return await self._try_socks(sock, host, port)
            return await self._try_http(sock, host, port, is_tunnel=is_tunnel)
        finally:
            sock.close()

    async def _try_socks(self, sock: socket.socket, host: str, port: int) -> Trouble | None:
        stream = SocketStream(sock)
        try:
            await self._step(greet(stream, self.proxy))
        except LoginRefused:
            return self._login_refused()
        except OSError:
            return await self._wrong_protocol()
        if not host:
            return None
        if not self.proxy.resolves_names:
            try:
                [(*_, address), *_] = await asyncio.get_running_loop().getaddrinfo(host, port)
            except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long
                return Trouble(
                    fault=ProxyFault.TARGET,
                    text=f"{host} is an unknown name here; the proxy {self.proxy} resolves it with socks5h://",
                )
            host = str(address[0])
        try:
            await self._step(request(stream, host, port))
        except (TargetRefused, NotSocks) as error:
            return self._unreached(host, port, error.text)
        except TimeoutError:
            return self._unreached(host, port, f"no answer within {self._step_s:g} s")
        except OSError:
            return self._unreached(host, port, "the proxy closed the connection")
        return None

    async def _try_http(
        self, sock: socket.socket, host: str, port: int, *, is_tunnel: bool
    ) -> Trouble | None:
        tls = self._tls if self.proxy.scheme == "https" else None
        try:
            reader, writer = await self._step(
                asyncio.open_connection(sock=sock, ssl=tls, server_hostname=self.proxy.host if tls else None)
            )
        except ssl.SSLCertVerificationError:
            return self._trouble(ProxyFault.UNTRUSTED, "has a certificate that is not trusted")
        except OSError:
            return await self._wrong_protocol()
        try:
            if not host:
                is_right = self.proxy.scheme in await self._spoken()
                return None if is_right else await self._wrong_protocol()
            writer.write(self._connect_request(host, port))
            status = _STATUS.match(await self._step(reader.readline()))
        except TimeoutError:
            if self.proxy.scheme in await self._spoken():
                return self._unreached(host, port, f"no answer within {self._step_s:g} s")
            return await self._wrong_protocol()
        except (OSError, ValueError):  # ValueError: too long a line
            return await self._wrong_protocol()
        finally:
            writer.transport.abort()
        if status is None:
            return await self._wrong_protocol()
        return self._by_status(int(status[1]), host, port, is_tunnel=is_tunnel)

    def _connect_request(self, host: str, port: int) -> bytes:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        login = f"Proxy-Authorization: {self.proxy.basic_auth}\r\n" if self.proxy.basic_auth else ""
        return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n".encode()

    def _by_status(self, status: int, host: str, port: int, *, is_tunnel: bool) -> Trouble | None:
        """is_tunnel: False: the proxy need not allow CONNECT to this target."""
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return self._login_refused()
        if status < HTTPStatus.MULTIPLE_CHOICES or not is_tunnel:
            return None
        return self._unreached(host, port, f"HTTP {status}")

    async def _wrong_protocol(self) -> Trouble:
        """The proxy does not speak what its setting says: what does it speak?"""
        lacking, found = _LACKING[self.proxy.scheme], await self._spoken()
        if not found or lacking in {_LACKING[scheme] for scheme in found}:
            return self._trouble(ProxyFault.SILENT, f"accepts connections and speaks no {lacking}")
        return self._trouble(ProxyFault.PROTOCOL, f"speaks no {lacking}: {_OTHER[found[0]]}")

    async def _spoken(self) -> list[str]:
        return await spoken_schemes(self.proxy.host, self.proxy.port, limit_s=min(self._step_s, _PROTOCOL_S))

    async def _step(self, work: Awaitable[T]) -> T:
        async with asyncio.timeout(self._step_s):
            return await work

    def _hint(self) -> str:
        host = self.proxy.host
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = host == "localhost"
        return _CONTAINER if is_loopback and self._in_container else ""

    def _login_refused(self) -> Trouble:
        what = "wants a user name and password" if self.proxy.user is None else "refuses the login"
        return self._trouble(ProxyFault.LOGIN, what)

    def _unreached(self, host: str, port: int, why: str) -> Trouble:
        return self._trouble(ProxyFault.TARGET, f"can't reach {host}:{port}: {why}")

    def _trouble(self, fault: ProxyFault, what: str) -> Trouble:
        return Trouble(fault=fault, text=f"the proxy {self.proxy} {what}")
