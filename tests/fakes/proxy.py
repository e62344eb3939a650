"""A proxy that speaks SOCKS 5 and HTTP on one port, as Clash's mixed port; every host is this machine."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from bot.proxies.proxy import Proxy, read_proxy
from tests.fakes.tcp import Streams, close, tcp_server

ADDRESS, NAME, CONNECT, FORWARD = "address", "name", "connect", "forward"
V4, DOMAIN = 1, 3
NETWORK_UNREACHABLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client asked the proxy for."""

    how: str  # ADDRESS or NAME by SOCKS, CONNECT or FORWARD by HTTP
    host: str
    port: int


class FakeProxy:
    """Records what clients ask for, and connects to that port on 127.0.0.1."""

    def __init__(self, login: tuple[str, str] | None, speaks: Collection[str]) -> None:
        self.asked: list[Asked] = []
        self.logins: list[tuple[str, str]] = []
        self.reply = 0  # SOCKS's code; not 0: the proxy refuses to connect
        self.refuses_v6 = False  # as a proxy without IPv6
        self.status = 200  # HTTP's; not 200: the same for CONNECT
        self.port = 0
        self._login = login
        self._speaks = speaks

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        *,
        login: tuple[str, str] | None = None,
        speaks: Collection[str] = ("socks", "http"),
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Self]:
        """Listen on loopback; tls: to speak TLS to the clients."""
        proxy = cls(login, speaks)
        async with tcp_server(proxy._serve, tls=tls) as proxy.port:
            yield proxy

    def url(self, scheme: str, *, login: str = "") -> str:
        """Its setting; login: user:password."""
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}"

    def proxy(self, scheme: str, *, login: str = "") -> Proxy:
        """The same, read."""
        return read_proxy(self.url(scheme, login=login))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            if first == b"\x05" and "socks" in self._speaks:
                await self._socks(reader, writer)
            elif first != b"\x05" and "http" in self._speaks:
                await self._http(first, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone
        finally:
            await close(writer)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        [count] = await reader.readexactly(1)
        methods = await reader.readexactly(count)
        wanted = 2 if self._login else 0
        writer.write(bytes([5, wanted if wanted in methods else 0xFF]))
        if wanted not in methods:
            return
        if self._login:
            await reader.readexactly(1)
            user, password = await _text(reader), await _text(reader)
            self.logins.append((user, password))
            writer.write(bytes([1, (user, password) != self._login]))
            if (user, password) != self._login:
                return
        _, _, _, kind = await reader.readexactly(4)
        if kind == DOMAIN:
            how, host = NAME, await _text(reader)
        else:
            how, host = ADDRESS, str(ip_address(await reader.readexactly(4 if kind == V4 else 16)))
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append(Asked(how=how, host=host, port=port))
        # Its own address as a name, which is allowed and rare.
        reply = NETWORK_UNREACHABLE if self.refuses_v6 and ":" in host else self.reply
        writer.write(bytes([5, reply, 0, DOMAIN, 3]) + b"own\x00\x00")
        if reply == 0:
            await _relay((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if self._login:
            text = base64.b64decode(headers.get("proxy-authorization", "").removeprefix("Basic ")).decode()
            user, _, password = text.partition(":")
            self.logins.append((user, password))
            if (user, password) != self._login:
                writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
        if target.startswith("/"):  # as to a web server
            writer.write(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname or "", parts.port or 80
        self.asked.append(Asked(how=CONNECT if method == "CONNECT" else FORWARD, host=host, port=port))
        if self.status != 200:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.status)
            return
        upstream = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            upstream[1].write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        await _relay((reader, writer), upstream)


async def _text(reader: asyncio.StreamReader) -> str:
    """A text after its length."""
    [size] = await reader.readexactly(1)
    return (await reader.readexactly(size)).decode()


async def _relay(client: Streams, server: Streams) -> None:
    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
        await close(target)

    try:
        await asyncio.gather(copy(client[0], server[1]), copy(server[0], client[1]))
    finally:
        await close(server[1])
