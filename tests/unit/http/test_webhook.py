"""The server that Telegram sends updates to, over real HTTP."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession

from bot.bot_api.results import Unexpected
from bot.errors import PortTaken
from bot.http.webhook import webhook_server
from bot.sandbox.ports import free_port

SECRET = "5f3c"
HEADERS = {"X-Telegram-Bot-Api-Secret-Token": SECRET}


@dataclass
class Hook:
    """A running server, and a client of it."""

    port: int
    session: ClientSession
    received: list[object] = field(default_factory=list)
    answer: float | None = None
    gate: asyncio.Event | None = None

    async def receive(self, raw: object) -> float | None:
        """What the bot does with an update."""
        if not isinstance(raw, dict):
            raise Unexpected
        self.received.append(raw)
        if self.gate is not None:
            await self.gate.wait()
        return self.answer

    async def post(
        self,
        body: bytes = b'{"update_id": 1}',
        *,
        path: str = "/hook",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and body."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.post(
            url, data=io.BytesIO(body), headers=HEADERS | dict(headers or {})
        ) as response:
            return response.status, await response.text()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with ClientSession() as session:
        hook = Hook(free_port(), session)
        async with webhook_server(
            hook.receive, path="/hook", secret=SECRET, port=hook.port, host="127.0.0.1"
        ):
            yield hook


async def test_an_update_is_received_and_confirmed(hook: Hook):
    assert await hook.post(b'{"update_id": 1}') == (200, "")
    assert await hook.post(b'{"update_id": 2}', path="/hook?from=proxy") == (200, "")
    assert hook.received == [{"update_id": 1}, {"update_id": 2}]


@pytest.mark.parametrize("secret", ["", "5f3", "5f3c5f3c", "\u00e9", "5F3C"])
async def test_a_wrong_secret_is_refused_without_a_body(hook: Hook, secret: str):
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    assert await hook.post(headers=headers) == (403, "")
    assert hook.received == []


async def test_no_secret_is_refused(hook: Hook):
    async with hook.session.post(f"http://127.0.0.1:{hook.port}/hook", data=b"{}") as response:
        assert (response.status, await response.read()) == (403, b"")


async def test_another_path_or_method_is_refused(hook: Hook):
    for path in ("/", "/hook/", "/other", "/hook/x", "/HOOK"):
        assert (await hook.post(path=path))[0] == 404
    async with hook.session.get(f"http://127.0.0.1:{hook.port}/hook", headers=HEADERS) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert hook.received == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b'"text"'])
async def test_what_is_no_update_is_refused(hook: Hook, body: bytes):
    assert (await hook.post(body))[0] == 400


async def test_a_large_update_is_received_and_a_too_large_body_is_not(hook: Hook):
    assert (await hook.post(b'{"text": "' + b"x" * 500_000 + b'"}'))[0] == 200
    assert (await hook.post(b'{"text": "' + b"x" * 2**20 + b'"}'))[0] == 413
    assert len(hook.received) == 1


async def test_long_headers_are_refused(hook: Hook):
    assert (await hook.post(headers={"X-Long": "a" * 9000}))[0] == 400


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nHost: bot\r\nX-Telegram-Bot-Api-Secret-Token: 5f3c\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST /hook HTTP/1.1\r\nHost: bot\r\nX-Telegram-Bot-Api-Secret-Token: 5f3c\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_requests_are_refused_without_a_word_in_the_log(
    hook: Hook, request_: bytes, caplog: pytest.LogCaptureFixture
):
    reader, writer = await asyncio.open_connection("127.0.0.1", hook.port)
    writer.write(request_)
    async with asyncio.timeout(30):
        assert (await reader.read()).split(b" ")[1] == b"400"
    writer.close()
    assert caplog.messages == []


async def test_an_update_that_is_to_be_repeated_is_answered_with_the_delay(hook: Hook):
    hook.answer = 1.5
    url = f"http://127.0.0.1:{hook.port}/hook"
    async with hook.session.post(url, data=b"{}", headers=HEADERS) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")


async def test_a_connection_is_kept_for_the_next_update(hook: Hook):
    reader, writer = await asyncio.open_connection("127.0.0.1", hook.port)
    for _ in range(3):
        head = f"POST /hook HTTP/1.1\r\nHost: bot\r\nContent-Length: 2\r\n{next(iter(HEADERS))}: {SECRET}"
        writer.write(f"{head}\r\n\r\n{{}}".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    assert len(hook.received) == 3


async def test_idle_connections_take_the_place_of_no_update_in_progress(hook: Hook):
    hook.gate = asyncio.Event()
    posting = asyncio.create_task(hook.post())
    while not hook.received:  # noqa: ASYNC110 - the server runs in this loop
        await asyncio.sleep(0.01)
    idle = [await asyncio.open_connection("127.0.0.1", hook.port) for _ in range(200)]
    hook.gate.set()
    assert (await posting)[0] == 200
    assert (await hook.post())[0] == 200
    async with asyncio.timeout(30):
        while sum(not reader.at_eof() for reader, _ in idle) > 128:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    for _, writer in idle:
        writer.close()


async def test_a_port_that_is_taken_names_the_setting(hook: Hook):
    another = webhook_server(hook.receive, path="/", secret=SECRET, port=hook.port, host="127.0.0.1")
    with pytest.raises(PortTaken, match=f"WEBHOOK_PORT {hook.port} can't be listened on: Address already"):
        await another.__aenter__()
