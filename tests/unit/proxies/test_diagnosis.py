"""What is said about a proxy through which connections fail."""

import asyncio
import ssl
from typing import Any

import pytest

from bot.proxies.diagnosis import ProxyDiagnosis, ProxyFault, Trouble
from bot.proxies.proxy import Proxy, read_proxy
from tests.fakes.clock import SteadyClock
from tests.fakes.proxy import FakeProxy
from tests.fakes.raw_port import raw_port, sends, silent
from tests.fakes.tcp import Serve
from tests.fakes.tls import serving, trusting

URL = "https://api.example:443/bot"
HINT = "inside a container 127.0.0.1 is the container itself: write host.docker.internal"


def diagnosis_of(proxy: Proxy, **options: Any) -> ProxyDiagnosis:
    """Rather impatient, and outside a container."""
    defaults: dict[str, Any] = {"tls": trusting(), "in_container": False, "step_s": 1.0}
    return ProxyDiagnosis(proxy, **defaults | options)


async def found(proxy: Proxy, url: str | None = URL, **options: Any) -> Trouble:
    """The trouble with a proxy; there must be some."""
    trouble = await diagnosis_of(proxy, **options).trouble(url)
    assert trouble is not None
    return trouble


def unused(scheme: str) -> Proxy:
    """A proxy where nobody listens."""
    return read_proxy(f"{scheme}://127.0.0.1:9")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_does_not_run_refuses_connections(scheme: str):
    trouble = await found(unused(scheme))

    assert (trouble.fault, trouble.is_proxys) == (ProxyFault.REFUSED, True)
    assert str(trouble) == f"the proxy {scheme}://127.0.0.1:9 refuses connections"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_inside_a_container_loopback_is_explained(host: str):
    proxy = read_proxy(f"http://{host}:9")

    assert HINT in str(await found(proxy, in_container=True))
    assert HINT not in str(await found(proxy, in_container=False))


async def test_a_name_that_can_not_be_resolved():
    trouble = await found(read_proxy("socks5h://no-such-proxy.invalid:1"))

    assert trouble.fault is ProxyFault.UNKNOWN_NAME
    assert str(trouble).endswith("does not exist: no-such-proxy.invalid is an unknown name")


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
async def test_a_refused_or_missing_login(scheme: str):
    async with FakeProxy.open(login=("anna", "right")) as fake:
        refused = await found(fake.proxy(scheme, login="anna:hunter2"))
        missing = await found(fake.proxy(scheme))

    assert {refused.fault, missing.fault} == {ProxyFault.LOGIN}
    assert str(refused).endswith("refuses the login")
    assert str(missing).endswith("wants a user name and password")
    assert "hunter2" not in f"{refused!r}"


@pytest.mark.parametrize(
    ("given", "speaks", "over_tls", "sentence"),
    [
        ("socks5", "http", False, "speaks no SOCKS: it is an HTTP proxy, so write http://"),
        ("socks5h", "http", False, "speaks no SOCKS: it is an HTTP proxy, so write http://"),
        ("socks5h", "http", True, "speaks no SOCKS: it speaks TLS, so write https://"),
        ("http", "socks", False, "speaks no HTTP: it is a SOCKS proxy, so write socks5h://"),
        ("http", "http", True, "speaks no HTTP: it speaks TLS, so write https://"),
        ("https", "http", False, "speaks no TLS: it is an HTTP proxy, so write http://"),
        ("https", "socks", False, "speaks no TLS: it is a SOCKS proxy, so write socks5h://"),
    ],
)
async def test_a_proxy_of_another_kind_is_recognised(given: str, speaks: str, over_tls: bool, sentence: str):
    tls = serving() if over_tls else None
    async with FakeProxy.open(speaks=[speaks], tls=tls) as fake:
        trouble = await found(fake.proxy(given))

    assert trouble.fault is ProxyFault.PROTOCOL
    assert str(trouble) == f"the proxy {fake.url(given)} {sentence}"


@pytest.mark.parametrize("given", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize(
    "serve",
    [silent, sends(b"\x15\x03\x01\x00\x02\x02\x46"), sends(b"x" * 100_000), sends(b"")],
    ids=["silent", "garbage", "long", "closes"],
)
async def test_what_is_no_proxy_at_all(given: str, serve: Serve):
    async with raw_port(serve) as port, asyncio.timeout(30):
        trouble = await found(read_proxy(f"{given}://127.0.0.1:{port}"), step_s=0.3)

    assert trouble.fault is ProxyFault.SILENT
    assert "accepts connections and speaks no" in str(trouble)


async def test_the_certificate_of_a_proxy():
    async with FakeProxy.open(tls=serving()) as fake:
        trouble = await found(fake.proxy("https"), tls=ssl.create_default_context())

    assert trouble.fault is ProxyFault.UNTRUSTED
    assert str(trouble).endswith("has a certificate that is not trusted")


async def test_a_target_that_the_proxy_can_not_reach_is_not_the_proxys_fault():
    async with FakeProxy.open() as fake:
        fake.reply, fake.status = 5, 503
        socks, http = await found(fake.proxy("socks5h")), await found(fake.proxy("http"))

    assert not socks.is_proxys
    assert not http.is_proxys
    assert str(socks).endswith("can't reach api.example:443: connection refused")
    assert str(http).endswith("can't reach api.example:443: HTTP 503")


async def test_a_name_that_no_host_can_have_is_an_unknown_one():
    async with FakeProxy.open() as fake:
        trouble = await found(fake.proxy("socks5"), "https://api..example/")

    assert trouble.fault is ProxyFault.TARGET
    assert str(trouble).startswith("api..example is an unknown name here")


async def test_a_name_that_only_the_proxy_knows_asks_for_socks5h():
    async with FakeProxy.open() as fake:
        trouble = await found(fake.proxy("socks5"), "https://no-such-host.invalid/")

    assert not trouble.is_proxys
    assert str(trouble) == (
        "no-such-host.invalid is an unknown name here;"
        f" the proxy {fake.url('socks5')} resolves it with socks5h://"
    )
    assert fake.asked == []


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_works_has_no_trouble(scheme: str):
    tls = serving() if scheme == "https" else None
    async with raw_port(silent) as port, FakeProxy.open(login=("a", "b"), tls=tls) as fake:
        diagnosis = diagnosis_of(fake.proxy(scheme, login="a:b"))
        for url in (f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}/x", None, "http://[/", "x"):
            assert await diagnosis.trouble(url) is None


async def test_a_proxy_that_allows_no_tunnel_to_a_plain_http_target_works():
    async with FakeProxy.open() as fake:
        fake.status = 403
        diagnosis = diagnosis_of(fake.proxy("http"))

        assert await diagnosis.trouble("http://gateway.example/") is None
        assert await diagnosis.trouble("https://gateway.example/") is not None


async def test_a_finding_is_kept_for_seconds_and_the_proxys_own_for_every_target():
    clock = SteadyClock()
    async with FakeProxy.open(login=("a", "b")) as fake:
        diagnosis = diagnosis_of(fake.proxy("socks5h", login="a:c"), clock=clock)
        await asyncio.gather(*(diagnosis.trouble(URL) for _ in range(20)))
        await diagnosis.trouble("https://other.example/")
        assert len(fake.logins) == 1

        clock.advance(6)
        await diagnosis.trouble(URL)
        assert len(fake.logins) == 2


async def test_the_number_of_findings_is_bounded():
    diagnosis = diagnosis_of(unused("socks5h"))
    for number in range(250):
        await diagnosis.trouble(f"https://{number}.example/")

    assert len(diagnosis._findings) <= 100
