"""The client's side of SOCKS 5 with user name and password: RFC 1928 and RFC 1929.

SocksError
├── NotSocks       the server sends something else, or closes the connection before it said what it is
├── LoginRefused   the server wants a user name and password, or other ones
└── TargetRefused  the server could not, or would not, connect to the target

No read takes more bytes than the protocol says, so a server can't use up memory. The time is the caller's to
limit.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from bot.proxies.proxy import Proxy

MAX_ADDRESSES = 4  # of a name that are tried
_VERSION, _CONNECT, _RESERVED = 5, 1, 0
_NO_LOGIN, _LOGIN, _NO_METHOD = 0, 2, 0xFF
_LOGIN_VERSION, _GRANTED = 1, 0
_V4, _NAME, _V6 = 1, 3, 4
_ADDRESS_BYTES = {_V4: 4, _V6: 16}
_LONGEST_NAME = 255
_SUCCEEDED, _FORBIDDEN = 0, 2
_REPLIES = {
    1: "the proxy failed",
    _FORBIDDEN: "the proxy's rules forbid it",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "the connection took too long",
    7: "the proxy can't connect to other hosts",
    8: "the proxy does not know this kind of address",
}


class SocksError(OSError):
    """The server did not open the connection."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EPROTO, text)
        self.text = text


class NotSocks(SocksError):
    """The server does not speak SOCKS 5."""


class LoginRefused(SocksError):
    """The server refuses the user name and password, or wants some."""


class TargetRefused(SocksError):
    """The server did not connect to the target."""


class ByteStream(Protocol):
    """A connection to the server; httpcore's streams are such."""

    async def read(self, max_bytes: int, /) -> bytes:
        """At least one byte; none at the end."""
        ...

    async def write(self, data: bytes, /) -> None:
        """Send all."""
        ...


class SocketStream:
    """A connected, non-blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self, max_bytes: int, /) -> bytes:
        """At least one byte; none at the end."""
        return await self._loop.sock_recv(self._sock, max_bytes)

    async def write(self, data: bytes, /) -> None:
        """Send all."""
        await self._loop.sock_sendall(self._sock, data)


async def open_socket(host: str, port: int) -> socket.socket:
    """A socket that is connected to the first address of the host that accepts; raises OSError."""
    loop = asyncio.get_running_loop()
    refusal = OSError(errno.EHOSTUNREACH, "the host has no address")
    for family, kind, number, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, number)
        sock.setblocking(False)
        try:
            with closed_on_error(sock):
                await loop.sock_connect(sock, address)
                return sock
        except OSError as error:
            refusal = error
    raise refusal


async def open_through(proxy: Proxy, hosts: Sequence[str], port: int) -> socket.socket:
    """A socket that the proxy has connected to the first of the hosts that it can reach; raises OSError."""
    refusal = TargetRefused("no address")
    for host in hosts[:MAX_ADDRESSES]:
        sock = await open_socket(proxy.host, proxy.port)
        try:
            with closed_on_error(sock):
                await handshake(SocketStream(sock), proxy, host, port)
                return sock
        except TargetRefused as error:
            refusal = error
    raise refusal


@contextmanager
def closed_on_error(sock: socket.socket) -> Iterator[None]:
    """Close the socket if the block raises or is cancelled."""
    with ExitStack() as on_error:
        on_error.callback(sock.close)
        yield
        on_error.pop_all()


async def handshake(stream: ByteStream, proxy: Proxy, host: str, port: int) -> None:
    """Log in and have the server connect to the target; raises SocksError, and what the stream raises."""
    await greet(stream, proxy)
    await request(stream, host, port)


async def request(stream: ByteStream, host: str, port: int) -> None:
    """The second half of the handshake: have the server connect; raises TargetRefused and NotSocks."""
    await stream.write(bytes([_VERSION, _CONNECT, _RESERVED]) + _encoded(host) + port.to_bytes(2, "big"))
    version, reply = await _read(stream, 2, TargetRefused)
    if version != _VERSION:
        raise NotSocks("the response is not SOCKS 5")
    if reply != _SUCCEEDED:
        raise TargetRefused(_REPLIES.get(reply, f"SOCKS error {reply}"))
    _, kind = await _read(stream, 2, TargetRefused)
    if kind == _NAME:
        [length] = await _read(stream, 1, TargetRefused)
    elif (known := _ADDRESS_BYTES.get(kind)) is not None:
        length = known
    else:
        raise NotSocks("the response is not SOCKS 5")
    await _read(stream, length + 2, TargetRefused)  # the proxy's own address and port


async def greet(stream: ByteStream, proxy: Proxy) -> None:
    """The first half of the handshake: log in; raises NotSocks and LoginRefused."""
    methods = [_NO_LOGIN] if proxy.user is None else [_NO_LOGIN, _LOGIN]
    await stream.write(bytes([_VERSION, len(methods), *methods]))
    version, method = await _read(stream, 2, NotSocks)
    if version != _VERSION:
        raise NotSocks("the response is not SOCKS 5")
    if method not in methods:
        raise LoginRefused("no way to log in that both know")
    if method == _NO_LOGIN or proxy.user is None:
        return
    user, password = proxy.user.encode(), proxy.password.encode()
    await stream.write(bytes([_LOGIN_VERSION, len(user)]) + user + bytes([len(password)]) + password)
    _, status = await _read(stream, 2, LoginRefused)
    if status != _GRANTED:
        raise LoginRefused("wrong user name or password")


async def _read(stream: ByteStream, size: int, at_end: type[SocksError]) -> bytes:
    """Exactly so many bytes; raises at_end if the server closes the connection."""
    data = b""
    while len(data) < size:
        more = await stream.read(size - len(data))
        if not more:
            raise at_end("the proxy closed the connection")
        data += more
    return data


def _encoded(host: str) -> bytes:
    """An address or a name; raises OSError."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii", "replace")
        if not 0 < len(name) <= _LONGEST_NAME:
            raise OSError(errno.EINVAL, "the host's name is too long") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_V4 if address.version == 4 else _V6]) + address.packed  # noqa: PLR2004 - IP versions
