"""Finds out which kind of proxy listens at a port."""

import asyncio
import ssl

from bot.proxies.proxy import SOCKS5H
from bot.proxies.socks5 import open_socket

_LONGEST = 16  # bytes of a reply that are read
_HTTP, _SOCKS = b"HTTP/", b"\x05"  # how answers begin
_GREETING = b"\x05\x02\x00\x02"  # of SOCKS 5: without a login, or with one
_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def spoken_schemes(host: str, port: int, *, limit_s: float) -> list[str]:
    """The schemes of the proxy at this port, as one port may speak several; limit_s: of its answers."""
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # only a request for nothing is sent
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE

    async def reply(data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
        """The first bytes that come back; none at an error."""
        try:
            async with asyncio.timeout(limit_s):
                sock = await open_socket(host, port)
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=tls, server_hostname=host if tls else None
                )
                try:
                    writer.write(data)
                    return await reader.read(_LONGEST)
                finally:
                    writer.transport.abort()
        except OSError:
            return b""

    over_tls, over_socks, plain = await asyncio.gather(reply(_GET, unchecked), reply(_GREETING), reply(_GET))
    schemes = []
    if over_tls.startswith(_HTTP):
        schemes.append("https")
    elif plain.startswith(_HTTP):  # a TLS port may answer in HTTP that it wants TLS
        schemes.append("http")
    return [*schemes, SOCKS5H] if over_socks.startswith(_SOCKS) else schemes
