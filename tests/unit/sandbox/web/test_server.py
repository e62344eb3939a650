"""The page's server: its files, events and media, and where it listens."""

import socket
import time

import aiohttp
import pytest

from bot.sandbox.environment import ANNA, Sandbox
from bot.sandbox.telegram.chats import Attachment
from bot.sandbox.web.server import NoPort, WebPage
from tests.unit.sandbox.web.conftest import Client, FakeTours, read_mind

_END_S = 20.0


async def test_all_files_that_the_page_names_are_served(client: Client) -> None:
    async with client.session.get(client.address) as response:
        page = await response.text()

    for name, mime_type in (
        ("app.js", "text/javascript"),
        ("style.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ):
        assert f"/static/{name}" in page
        async with client.session.get(f"{client.address}/static/{name}") as response:
            assert response.status == 200
            assert response.content_type == mime_type


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "server.py", "__init__.py", ""])
async def test_no_other_file_is_served(client: Client, name: str) -> None:
    async with client.session.get(f"{client.address}/static/{name}") as response:
        assert response.status == 404


async def test_events_begin_with_a_snapshot(client: Client) -> None:
    async with client.session.get(f"{client.address}/events") as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b"event: snapshot\n"


async def test_a_video_is_served_whole_in_parts_and_with_its_preview(
    client: Client, sandbox: Sandbox
) -> None:
    state = sandbox.telegram.state
    file = state.store_file(b"0123456789", name="a.mp4", mime_type="video/mp4")
    preview = state.store_file(b"jpeg", name="a.jpg", mime_type="image/jpeg")
    video = Attachment(kind="video", file=file, thumbnail=preview)
    message = state.post(state.chats[ANNA], sender=state.bot, from_bot=True, attachment=video)
    url = f"{client.address}/media/{ANNA}/{message.message_id}/{file.file_unique_id}"

    async with client.session.get(url) as response:
        assert (response.content_type, await response.read()) == ("video/mp4", b"0123456789")
    async with client.session.get(url, headers={"Range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")
    async with client.session.get(f"{url}/poster") as response:
        assert (response.content_type, await response.read()) == ("image/jpeg", b"jpeg")


async def test_a_document_is_never_shown_as_a_page(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.telegram.state
    file = state.store_file(b"<script>", name="a.html", mime_type="text/html")
    document = Attachment(kind="document", file=file)
    message = state.post(state.chats[ANNA], sender=state.bot, from_bot=True, attachment=document)

    url = f"{client.address}/media/{ANNA}/{message.message_id}/{file.file_unique_id}"
    async with client.session.get(url) as response:
        assert response.content_type == "application/octet-stream"


@pytest.mark.parametrize("path", [f"{ANNA}/1/x", "5/1/x", "a/b/c", f"{ANNA}/1/x/poster"])
async def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    async with client.session.get(f"{client.address}/media/{path}") as response:
        assert response.status == 404


async def test_the_next_free_port_is_used(sandbox: Sandbox, tours: FakeTours) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with WebPage(sandbox, read_mind, tours.play_again).serving("127.0.0.1", port) as address:
            assert port < int(address.rpartition(":")[2]) <= port + 9


async def test_an_address_of_another_machine_is_refused_with_a_sentence(
    sandbox: Sandbox, tours: FakeTours
) -> None:
    with pytest.raises(NoPort, match=r"can't be served at 192\.0\.2\.1: [^']*\.$"):
        async with WebPage(sandbox, read_mind, tours.play_again).serving("192.0.2.1", 0):
            pass


async def test_a_request_for_the_head_of_the_events_opens_no_page(client: Client) -> None:
    async with client.session.head(f"{client.address}/events") as response:
        assert response.status == 405


async def test_open_pages_do_not_delay_the_end(sandbox: Sandbox, tours: FakeTours) -> None:
    async with aiohttp.ClientSession() as session:
        async with WebPage(sandbox, read_mind, tours.play_again).serving("127.0.0.1", 0) as address:
            pages = [await session.get(f"{address}/events") for _ in range(4)]
            started = time.monotonic()
        assert time.monotonic() - started < _END_S
        for page in pages:
            assert b"snapshot" in await page.read()
