"""How long parsing a hostile response blocks the event loop.

The machine may be busy, so the best of several tries counts: a real stall occurs in each.
"""

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from bot.providers.account import Account
from bot.providers.base import ProviderError
from bot.providers.formats.videos import Videos
from bot.providers.gateway import Gateway
from bot.providers.transport import HttpTransport
from storage.models import Media

LONGEST_S = 0.05
TRIES = 8
MIB = 2**20
RUNNING = b'{"id": "video_1", "status": "in_progress", "x": '
DONE = b'{"status": "completed", "x": '
VIDEO = b'{"status": "completed", "url": "data:video/mp4;base64,'

ANSWERS = {
    "elements": RUNNING + b"[" + b"1," * 19_000 + b"1]}",
    "too-many-elements": RUNNING + b"[" + b"1," * (MIB // 2 - 100) + b"1]}",
    "nested": RUNNING + b"[" + b",".join([b"[" * 900 + b"]" * 900] * 20) + b"]}",
    "nested-too-deep": RUNNING + b"[" * 19_000 + b"]" * 19_000 + b"}",
    "one-string": RUNNING + b'"' + b"y" * (MIB - 100) + b'"}',
    "escapes": RUNNING + b'"' + rb"\ud83d\ude00" * (MIB // 12 - 10) + b'"}',
    "no-utf-8": RUNNING + b'"' + b"\xff" * (MIB - 100) + b'"}',
    "one-number": RUNNING + b"9" * (MIB - 100) + b"}",
    "numbers": RUNNING + b"[" + b",".join([b"1.7976931348623157e308"] * 19_000) + b"]}",
    "long-numbers": RUNNING + b"[" + b",".join([b"8." + b"9" * 90 + b"e-300"] * 10_000) + b"]}",
    "page": b"<html>" + b"\xff" * (MIB - 100),
    "keys": DONE + b"[" + b",".join([b'{"' + b"aB" * 500 + b'": "https://x.example/"}'] * 60) + b"]}",
    "links": DONE + b"[" + b",".join([b'"https://x.example/' + b"video/" * 60 + b'"'] * 2_400) + b"]}",
    "heads": b"[" + (b'"data:' + b";" * 100 + b'",') * 10_000 + b"1" * MIB + b"]",
    "percents": b'{"status": "completed", "url": "data:video/mp4,' + b"%41" * (MIB // 3 - 100) + b'"}',
    "video": VIDEO + base64.b64encode(bytes(range(256)) * (23 * MIB // 256)) + b'"}',
    "video-of-escapes": VIDEO + b"\\/" * (15 * MIB) + b'"}',
    "video-of-padding": VIDEO + b"=" * (31 * MIB) + b'"}',
    "video-without-end": VIDEO + b"A" * (32 * MIB),
    "videos": b'{"x": [' + b",".join([b'"data:a/b;base64,' + b"A" * 400_000 + b'"'] * 64) + b"]}",
}


@contextlib.contextmanager
def threaded_server(body: bytes) -> Iterator[str]:
    """Sends one response per connection, in a thread that does not hold the GIL while it waits."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    def serve() -> None:
        while True:
            connection, _ = update_poller.accept()
            with connection, contextlib.suppress(OSError):  # a client may close early
                if not connection.recv(65_536):
                    return
                connection.sendall(head)
                connection.sendall(body)

    with socket.create_server(("127.0.0.1", 0)) as update_poller:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{update_poller.getsockname()[1]}"
        finally:
            socket.create_connection(update_poller.getsockname()).close()
            thread.join()


@contextlib.asynccontextmanager
async def watchdog() -> AsyncIterator[Callable[[], float]]:
    """Measures the longest interval without an iteration of the loop, in seconds.

    They are of this thread's processor time: what else runs on the machine does not count.
    """
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.0005)
            now = time.thread_time()
            longest_s, last = max(longest_s, now - last), now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        yield lambda: longest_s
    finally:
        watching.cancel()


async def shortest_stall_s(work: Callable[[], Awaitable[object]]) -> float:
    """The longest stall of the best try."""
    best_s = float("inf")
    for _ in range(TRIES):
        async with watchdog() as stall_s:
            with contextlib.suppress(ProviderError):
                await work()
            await asyncio.sleep(0.001)  # so that the watchdog measures the last one
            best_s = min(best_s, stall_s())
        if best_s < LONGEST_S:
            break
    return best_s


@pytest.mark.parametrize("body", ANSWERS.values(), ids=list(ANSWERS))
async def test_no_response_blocks_the_event_loop(body: bytes):
    with threaded_server(body) as url:
        async with HttpTransport(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as transport:

            def gateway() -> Gateway:  # a new one, without cached snapshots
                return Gateway(Videos(Account(name="mine", base_url=url, key="sk-0123456789")), transport)

            assert await shortest_stall_s(lambda: gateway().fetch("video_1")) < LONGEST_S
            opened = await shortest_stall_s(lambda: gateway().open_media("video_1", Media(url=None)))
            assert opened < LONGEST_S


async def test_the_watchdog_sees_a_stall():
    async def stall() -> None:
        end_s = time.thread_time() + LONGEST_S
        while time.thread_time() < end_s:
            pass

    assert await shortest_stall_s(stall) >= LONGEST_S
