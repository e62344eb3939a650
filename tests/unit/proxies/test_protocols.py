"""Which kind of proxy listens at a port."""

import pytest

from bot.proxies.protocols import spoken_schemes
from tests.fakes.proxy import FakeProxy
from tests.fakes.raw_port import raw_port, silent
from tests.fakes.tls import serving


@pytest.mark.parametrize(
    ("speaks", "over_tls", "schemes"),
    [
        (["socks"], False, ["socks5h"]),
        (["http"], False, ["http"]),
        (["http"], True, ["https"]),
        (["socks", "http"], False, ["http", "socks5h"]),
    ],
)
async def test_each_kind_is_recognised(speaks: list[str], over_tls: bool, schemes: list[str]):
    async with FakeProxy.open(speaks=speaks, tls=serving() if over_tls else None) as fake:
        assert await spoken_schemes("127.0.0.1", fake.port, limit_s=1.0) == schemes


async def test_silence_is_no_known_kind():
    async with raw_port(silent) as port:
        assert await spoken_schemes("127.0.0.1", port, limit_s=0.1) == []
    assert await spoken_schemes("127.0.0.1", port, limit_s=0.1) == []
