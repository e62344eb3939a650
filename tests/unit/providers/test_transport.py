"""The HTTP transport: what it sends, byte for byte, and faulty servers."""

import asyncio
import gc
import gzip
import ssl
import tracemalloc
import weakref
import zlib
from collections.abc import Callable
from http.cookiejar import Cookie

import aiohttp
import httpx
import pytest
from aiohttp import web

from bot.providers.account import Account
from bot.providers.base import BadResponse, Unavailable
from bot.providers.parsing.response import Response
from bot.providers.transport import HttpTransport
from bot.proxies.proxy import Proxy, read_proxy
from storage.errors import LeadershipLost
from storage.leadership import Term
from storage.models import Cause
from tests.fakes.leadership import FakeLeadership
from tests.unit.providers.servers import http_server, raw_server

HEADERS = {"Authorization": "Bearer sk-secret", "Accept": "application/json"}


async def asked(url: str, *, proxy: Proxy | None = None) -> Response:
    """The response to one request."""
    async with HttpTransport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), proxy=proxy) as transport:
        return await transport.get(url, HEADERS)


async def mocked(handler: Callable[[httpx.Request], httpx.Response]) -> Response:
    """The response to one request, without a connection."""
    async with HttpTransport(transport=httpx.MockTransport(handler)) as transport:
        return await transport.get("http://gateway.example/v1/videos/1", HEADERS)


async def test_a_question_goes_out_byte_for_byte():
    seen: list[web.BaseRequest] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"status": "queued"}, status=203, headers={"Retry-After": "7"})

    async with http_server(handler) as address:
        response = await asked(f"{address}/v1/videos/sora-2%3Aa%2Bb")

    assert (response.status, response.body) == (203, b'{"status": "queued"}')
    assert response.headers["retry-after"] == "7"
    assert (seen[0].method, seen[0].raw_path) == ("GET", "/v1/videos/sora-2%3Aa%2Bb")
    assert HEADERS.items() <= dict(seen[0].headers).items()
    assert "Cookie" not in seen[0].headers


@pytest.mark.parametrize("external_id", ["sora-2:a+b=c", "a/b", "a b", "视频", "100%", "%2F", "~'(*)!$&,;@"])
async def test_an_id_arrives_as_it_was_encoded(external_id: str):
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response({})

    async with http_server(handler) as address:
        url = Account(name="mine", base_url=address, key="").url("/v1/videos/{id}/status", external_id)
        await asked(url)

    assert seen == [url.removeprefix(address)]


async def test_neither_a_redirect_nor_a_cookie_is_followed():
    seen: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Cookie"))
        return httpx.Response(302, headers={"Location": "/elsewhere", "Set-Cookie": "session=1"})

    async with HttpTransport(transport=httpx.MockTransport(handler)) as transport:
        statuses = [(await transport.get("http://gateway.example/x", HEADERS)).status for _ in range(2)]
        assert not any(isinstance(each, Cookie) for each in gc.get_objects()), "nor is a cookie kept"

    assert statuses == [302, 302]
    assert seen == [None, None]


async def test_a_response_leaves_no_reference_cycle():
    responses: list[weakref.ref[httpx.Response]] = []

    def handler(_: httpx.Request) -> httpx.Response:
        response = httpx.Response(200, json={})
        responses.append(weakref.ref(response))
        return response

    gc.disable()
    try:
        await mocked(handler)
        assert [reference() for reference in responses] == [None]
    finally:
        gc.enable()


async def test_a_compressed_body_is_unpacked():
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as address:
        assert (await asked(address)).body == b"{}"


async def test_a_compressed_body_is_given_up_before_it_is_unpacked_in_full():
    bomb = gzip.compress(bytes(2**26), 1)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as address:
        tracemalloc.start()
        try:
            with pytest.raises(BadResponse, match="1048576"):
                await asked(address)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 2**22


async def test_a_body_in_many_pieces_is_put_together():
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(100):
            await response.write(b"%d," % number)
        return response

    async with http_server(handler) as address:
        assert (await asked(address)).body == b"".join(b"%d," % number for number in range(100))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
async def test_a_body_without_end_is_given_up(packed: bool):
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "deflate"} if packed else {})
        await response.prepare(request)
        pack = zlib.compressobj()
        piece = b" " * 2**20
        while not (request.transport is None or request.transport.is_closing()):
            await response.write(pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH) if packed else piece)
            await asyncio.sleep(0)
        return response

    async with http_server(handler) as address:
        with pytest.raises(BadResponse) as caught:
            await asked(address)
    assert caught.value.cause is Cause.ODD_ANSWER


@pytest.mark.parametrize("start", [b'{"x": [', b'["data:video/mp4;base64,AA", '], ids=["without", "named"])
async def test_a_large_response_without_a_video_is_rejected(start: bytes):
    with pytest.raises(BadResponse, match="1048576"):
        await mocked(lambda _: httpx.Response(200, content=start + b"1," * 2**20 + b"1]"))


async def test_a_video_is_cut_out_of_a_large_response():
    payload = b"QUJD" * 2**19
    body = b'{"status": "completed", "url": "data:video/mp4;base64,' + payload + b'"}'

    response = await mocked(lambda _: httpx.Response(200, content=body))

    assert response.body == b'{"status": "completed", "url": "data:video/mp4;base64,#0"}'
    assert [bytes(video) for video in response.videos] == [payload]


async def test_large_responses_of_one_gateway_are_read_one_at_a_time():
    begun = 0
    sent = asyncio.Event()
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal begun
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"url": "data:video/mp4;base64,' + b"A" * (2**20 + 1))
        begun += 1
        if begun == 2:
            sent.set()
        await go_on.wait()
        await response.write(b"A" * 2**24 + b'"}')
        return response

    async with (
        http_server(handler) as address,
        HttpTransport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as transport,
        asyncio.TaskGroup() as group,
    ):
        gets = [group.create_task(transport.get(f"{address}/{n}", HEADERS)) for n in range(2)]
        await sent.wait()
        go_on.set()
        done, pending = await asyncio.wait(gets, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(pending)) == (1, 1)
        assert [len(response.videos) for response in await asyncio.gather(*gets)] == [1, 1]


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}")[:-9] + b"nonsense!",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n{}",
    ],
    ids=["closed", "garbage", "cut-off", "bad-chunk", "no-gzip", "broken-gzip", "long-header"],
)
async def test_a_broken_response_is_a_transient_error(response: bytes):
    async with raw_server(response) as address:
        with pytest.raises(Unavailable) as caught:
            await asked(address)
    assert caught.value.cause is Cause.UNREACHABLE
    assert not caught.value.permanent


async def test_a_gateway_without_a_response_is_a_transient_error():
    async def handler(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with HttpTransport(transport=httpx.MockTransport(handler), timeout_s=0.05) as transport:
        with pytest.raises(Unavailable):
            await transport.get("http://gateway.example/", HEADERS)


async def test_a_connection_is_used_again_after_responses_with_and_without_a_body():
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(status=204) if request.path == "/empty" else web.json_response({})

    async with (
        http_server(handler) as address,
        HttpTransport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as transport,
    ):
        for path in ("empty", "full", "empty", "full"):
            await transport.get(f"{address}/{path}", HEADERS)
    assert len(peers) == 1


async def test_endless_interim_responses_are_a_transient_error():
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 17
    async with raw_server(interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as address:
        with pytest.raises(Unavailable, match="TooManyInterim"):
            await asked(address)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadError("sk-secret"),
        httpx.DecodingError("sk-secret"),
        httpx.InvalidURL("sk-secret"),
        aiohttp.ClientPayloadError("sk-secret"),
        ssl.SSLCertVerificationError("sk-secret"),
        OSError("sk-secret"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_any_error_of_the_connection_is_a_transient_error_without_details(error: Exception):
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Unavailable) as caught:
        await mocked(handler)

    assert caught.value.message == f"no response ({type(error).__name__})"


async def test_a_closed_port_is_a_transient_error():
    async with raw_server(b"") as address:
        pass
    with pytest.raises(Unavailable):
        await asked(address)


@pytest.mark.parametrize(
    "url", ["gopher://x.example/", "http:///v1", f"http://{'a' * 70}.example/", "http://[/"]
)
async def test_an_unreachable_address_is_a_transient_error(url: str):
    with pytest.raises(Unavailable):
        await asked(url)


async def test_the_key_is_in_no_message():
    async with raw_server(b"nonsense\r\n\r\n") as address:
        with pytest.raises(Unavailable) as caught:
            await asked(address)
    assert "secret" not in f"{caught.value.message} {caught.value!r}"


async def test_requests_go_through_the_proxy():
    seen: list[tuple[str, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        return web.json_response({})

    async with http_server(handler) as proxy:
        response = await asked(
            "http://gateway.example/v1/videos/1", proxy=read_proxy(proxy.replace("//", "//ann:pass@"))
        )

    assert response.status == 200
    assert seen == [("http://gateway.example/v1/videos/1", "Basic YW5uOnBhc3M=")]


async def test_only_a_few_medium_responses_of_one_gateway_are_read_at_once():
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/small":
            return web.json_response({})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b" " * 400_000)
        if request.path == "/hanging":
            await go_on.wait()
        return response

    async with (
        http_server(handler) as address,
        HttpTransport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as transport,
    ):

        async def get(path: str) -> int:
            return len((await transport.get(f"{address}/{path}", HEADERS)).body)

        async def small_ones() -> None:
            for _ in range(20):  # time for the others to proceed as far as they can
                assert await get("small") == 2

        hanging = [asyncio.create_task(get("hanging")) for _ in range(4)]
        await small_ones()
        waiting = asyncio.create_task(get("medium"))
        await small_ones()
        assert not waiting.done()
        go_on.set()
        assert await asyncio.gather(waiting, *hanging) == [400_000] * 5


async def test_a_process_that_does_not_lead_asks_no_gateway():
    asked_for: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        return httpx.Response(200)

    transport = HttpTransport(
        transport=httpx.MockTransport(respond), ensure_leads=Term(FakeLeadership(is_held=False)).ensure
    )
    async with transport:
        with pytest.raises(LeadershipLost):
            await transport.get("http://gateway.example/v1/videos/1", HEADERS)

    assert asked_for == []
