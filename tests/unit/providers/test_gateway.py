import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from httpx_aiohttp import AiohttpTransport

from bot.providers.account import Account
from bot.providers.answer import Answer
from bot.providers.base import AuthFailed, BadAnswer, MediaSource, ProviderError, Unavailable
from bot.providers.fields import Json
from bot.providers.gateway import Gateway
from bot.providers.newapi import NewApi
from bot.providers.videos import Videos
from bot.providers.wire import Wire
from storage.models import Cause, Media, Snapshot, TaskStatus

KEY = "sk-Zq7LmW2xVt9RbK4cYh3N"
BASE_URL = "https://gateway.example.com"
Handler = Callable[[httpx.Request], httpx.Response]


def gateway(handler: Handler, *, wire: type[Wire] = Videos, key: str = KEY) -> Gateway:
    account = Account(name="mine", base_url=BASE_URL, key=key)
    return Gateway(wire(account), httpx.MockTransport(handler))


def raising(error: Exception) -> Handler:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return handler


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("garbage"),
        httpx.ProxyError("proxy"),
        httpx.UnsupportedProtocol("gopher"),
        httpx.InvalidURL("nonsense"),
        ConnectionResetError("reset"),
        TimeoutError(),
        UnicodeError("label too long"),
    ],
)
async def test_no_answer_is_a_passing_trouble(error: Exception):
    with pytest.raises(Unavailable) as caught:
        await gateway(raising(error)).fetch("video_1")
    assert caught.value.cause is Cause.UNREACHABLE
    assert not caught.value.permanent


async def test_a_redirect_is_not_followed():
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})

    with pytest.raises(BadAnswer):
        await gateway(handler).fetch("video_1")
    assert asked == [f"{BASE_URL}/v1/videos/video_1"]


async def test_a_key_that_no_header_can_carry_is_a_wrong_key():
    with pytest.raises(AuthFailed) as caught:
        await gateway(raising(AssertionError("asked")), key="sk-密钥").fetch("video_1")
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(url="https://cdn.example.com/v.mp4?s=%2F"),
            MediaSource(url="https://cdn.example.com/v.mp4?s=%2F"),
        ),
        (
            Media(url=f"{BASE_URL}/f.mp4", needs_auth=True),
            MediaSource(url=f"{BASE_URL}/f.mp4", headers={"Authorization": f"Bearer {KEY}"}),
        ),
        (
            Media(url="https://evil.example/f.mp4", needs_auth=True),
            MediaSource(url="https://evil.example/f.mp4"),
        ),
        (
            Media(url=None, needs_auth=True),
            MediaSource(
                url=f"{BASE_URL}/v1/videos/sora-2%3Ax/content", headers={"Authorization": f"Bearer {KEY}"}
            ),
        ),
    ],
)
async def test_a_video_is_fetched_with_the_key_from_the_gateway_only(media: Media, source: MediaSource):
    assert await gateway(raising(AssertionError("asked"))).open_media("sora-2:x", media) == source


async def test_bytes_inside_the_answer_are_asked_for_again():
    link = "data:video/mp4;base64," + base64.b64encode(b"video").decode()
    provider = gateway(lambda _: httpx.Response(200, json={"status": "completed", "metadata": {"url": link}}))
    snapshot = await provider.fetch("video_1")
    assert snapshot.media == Media(url=None, inline=True)
    assert await provider.open_media("video_1", snapshot.media) == MediaSource(data=b"video")


async def test_a_link_that_took_the_place_of_the_bytes_is_used():
    provider = gateway(
        lambda _: httpx.Response(200, json={"status": "completed", "url": "https://x.example/v"})
    )
    source = await provider.open_media("video_1", Media(url=None, inline=True))
    assert source == MediaSource(url="https://x.example/v")


@pytest.mark.parametrize("url", [None, "data:video/mp4;base64,====", "gone"])
async def test_bytes_that_are_gone_are_no_video(url: str | None):
    provider = gateway(lambda _: httpx.Response(200, json={"status": "completed", "url": url}))
    with pytest.raises(BadAnswer) as caught:
        await provider.open_media("video_1", Media(url=None, inline=True))
    assert caught.value.cause is Cause.NO_VIDEO


async def test_a_format_without_a_content_path_has_no_way_without_a_link():
    with pytest.raises(BadAnswer) as caught:
        await gateway(raising(AssertionError("asked")), wire=NewApi).open_media("x", Media(url=None))
    assert caught.value.cause is Cause.NO_VIDEO


RUNNING = {"status": "in_progress", "progress": 10}
FURTHER = {"status": "in_progress", "progress": 20}


class CountingVideos(Videos):
    """Counts the answers that it reads."""

    reads = 0

    def read(self, answer: Json, external_id: str) -> Snapshot:
        self.reads += 1
        return super().read(answer, external_id)


class CannedVideos(CountingVideos):
    """Reads the same in every answer, at little cost."""

    def read(self, answer: Json, external_id: str) -> Snapshot:
        self.reads += 1
        return Snapshot(status=TaskStatus.QUEUED, raw_status="queued")


def remembering(*answers: httpx.Response) -> tuple[Gateway, CountingVideos]:
    """A gateway that gives these answers, the last one again and again."""
    script = list(answers)
    wire = CountingVideos(Account(name="mine", base_url=BASE_URL, key=KEY))

    def handler(_: httpx.Request) -> httpx.Response:
        found = script.pop(0) if len(script) > 1 else script[0]
        return httpx.Response(found.status_code, content=found.content)

    return Gateway(wire, httpx.MockTransport(handler)), wire


async def test_an_answer_that_says_nothing_new_is_not_read_again():
    provider, wire = remembering(httpx.Response(200, json=RUNNING))
    first = await provider.fetch("video_1")

    assert await provider.fetch("video_1") is first
    assert await provider.fetch("video_1") is first
    assert wire.reads == 1


async def test_an_answer_that_has_changed_is_read():
    provider, wire = remembering(httpx.Response(200, json=RUNNING), httpx.Response(200, json=FURTHER))
    seen = [(await provider.fetch("video_1")).progress for _ in range(3)]

    assert seen == [10, 20, 20]
    assert wire.reads == 2


async def test_the_same_answer_about_another_task_is_read_for_itself():
    provider, wire = remembering(httpx.Response(200, json=RUNNING))
    for external_id in ("video_1", "video_2", "video_1"):
        await provider.fetch(external_id)

    assert wire.reads == 2


@pytest.mark.parametrize("status", [200, 429, 500])
async def test_an_answer_that_is_an_error_is_an_error_every_time(status: int):
    refusal = httpx.Response(status, json={"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    running = httpx.Response(200, json=RUNNING)
    provider, _ = remembering(running, refusal, refusal, running)
    before = await provider.fetch("video_1")
    for _ in range(2):
        with pytest.raises(ProviderError):
            await provider.fetch("video_1")

    assert await provider.fetch("video_1") == before


async def test_a_body_that_came_with_an_error_is_read_when_it_comes_with_success():
    provider, wire = remembering(httpx.Response(500, json=RUNNING), httpx.Response(200, json=RUNNING))
    with pytest.raises(Unavailable):
        await provider.fetch("video_1")

    assert (await provider.fetch("video_1")).status is TaskStatus.RUNNING
    assert wire.reads == 1


async def test_the_answer_about_a_task_that_is_over_is_not_kept():
    provider, wire = remembering(httpx.Response(200, json={"status": "completed"}))
    for _ in range(2):
        await provider.fetch("video_1")

    assert wire.reads == 2


class CannedGateway(Gateway):
    """Gets the same answer to every question, at little cost."""

    async def _ask(self, external_id: str) -> Answer:
        return Answer(status=200, headers=httpx.Headers(), body=b"{}")


async def test_only_the_answers_asked_for_last_are_kept():
    wire = CannedVideos(Account(name="mine", base_url=BASE_URL, key=KEY))
    transport = httpx.MockTransport(raising(AssertionError("asked")))
    provider = CannedGateway(wire, transport)
    await provider.fetch("stale")
    await provider.fetch("fresh")
    for number in range(19_998):
        await provider.fetch(f"video_{number}")
    await provider.fetch("fresh")
    reads = wire.reads
    assert reads == 20_000

    await provider.fetch("one more")
    await provider.fetch("fresh")
    assert wire.reads == reads + 1
    await provider.fetch("stale")
    assert wire.reads == reads + 2


@asynccontextmanager
async def on_the_wire(base_url: str) -> AsyncIterator[Gateway]:
    async with AiohttpTransport() as transport:
        yield Gateway(Videos(Account(name="mine", base_url=base_url, key=KEY)), transport)


@asynccontextmanager
async def http_server(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1/"))


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"


async def test_the_question_on_the_wire_is_the_documented_one():
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"status": "completed", "progress": 100})

    async with http_server(handler) as base_url, on_the_wire(base_url) as provider:
        snapshot = await provider.fetch("sora-2:a+b=c")
    assert snapshot.status is TaskStatus.SUCCEEDED
    assert seen[0].method == "GET"
    assert unquote(seen[0].raw_path) == "/v1/videos/sora-2:a+b=c"
    assert seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert seen[0].headers["Accept"] == "application/json"
    assert "X-Forwarded-Host" not in seen[0].headers
    assert "X-DashScope-Async" not in seen[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n{}",
    ],
    ids=["closed", "garbage", "cut-off", "bad-chunk", "no-gzip", "long-header"],
)
async def test_a_broken_conversation_is_a_passing_trouble(answer: bytes):
    async with raw_server(answer) as base_url, on_the_wire(base_url) as provider:
        with pytest.raises(Unavailable):
            await provider.fetch("video_1")


async def test_a_closed_port_is_a_passing_trouble():
    async with raw_server(b"") as base_url:
        pass
    async with on_the_wire(base_url) as provider:
        with pytest.raises(Unavailable):
            await provider.fetch("video_1")
