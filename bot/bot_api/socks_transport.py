"""httpx's transport through a SOCKS proxy.

httpx's own lets the proxy resolve names for socks5:// as well, waits for the proxy's responses without a
limit, and leaves the connection open after a wrong one; its errors don't say that nothing was sent.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpcore
import httpx

from bot.proxies.proxy import Proxy
from bot.proxies.socks5 import MAX_ADDRESSES, TargetRefused, handshake


class SocksTransport(httpx.AsyncHTTPTransport):
    """Every connection of the pool is made by the proxy."""

    def __init__(self, proxy: Proxy, *, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        super().__init__(verify=tls, limits=limits, trust_env=False)
        pool: Any = self._pool
        pool._network_backend = _SocksBackend(proxy)  # httpx has no argument for it


class _SocksBackend(httpcore.AnyIOBackend):
    """Opens connections; raises ConnectError and ConnectTimeout, after which nothing was sent."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def connect_tcp(  # noqa: PLR0917 - httpcore's signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host; timeout: of everything that the proxy does, in seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._open(await self._addresses(host, port), port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"no response of the proxy within {timeout} s") from error
        except (OSError, httpcore.NetworkError) as error:
            raise httpcore.ConnectError(str(error)) from error

    async def _open(self, hosts: Sequence[str], port: int) -> httpcore.AsyncNetworkStream:
        """As open_through() of bot.proxies.socks5, which httpcore's pool can't use."""
        refusal = TargetRefused("no address")
        for host in hosts[:MAX_ADDRESSES]:
            stream = await super().connect_tcp(self._proxy.host, self._proxy.port)
            try:
                async with AsyncExitStack() as on_error:
                    on_error.push_async_callback(stream.aclose)
                    await handshake(stream, self._proxy, host, port)
                    on_error.pop_all()
                    return stream
            except TargetRefused as error:
                refusal = error
        raise refusal

    async def _addresses(self, host: str, port: int) -> list[str]:
        """What the proxy is to connect to: the name, or addresses that are tried in turn."""
        if self._proxy.resolves_names:
            return [host]
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
