"""The page of the demo: its files, what happens as server-sent events, and what its visitors do as JSON."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable
from importlib import resources

from aiohttp import web

from bot.sandbox.environment import Sandbox
from bot.sandbox.gateway.files import serve_file
from bot.sandbox.gateway.tasks import ServedFile
from bot.sandbox.telegram.chats import StoredFile
from bot.sandbox.web.actions import ActionRefused, Actions
from bot.sandbox.web.feed import Feed, ReadMind, TooManyPages
from bot.sandbox.web.guard import add_headers, guard
from bot.sandbox.web.switches import Switches

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_BODY_BYTES = 256 * 1024  # of the longest text in Chinese
_WRITE_S = 30.0  # in which a page must take an event
_BEAT_S = 15.0  # between two comments that keep an idle connection open
_NEXT_PORTS = 10  # that are tried if the first is taken
_PAGE = "index.html"
_ANY_FILE = "application/octet-stream"


class NoPort(Exception):
    """The page can't listen; the text is a sentence."""


class WebPage:
    """Serves the page of a sandbox."""

    def __init__(self, sandbox: Sandbox, read_mind: ReadMind, play_tour: Callable[[], bool]) -> None:
        """read_mind: what the bot has in its database and metrics; play_tour: starts it, if it is not on."""
        self._sandbox = sandbox
        switches = Switches(sandbox.telegram, sandbox.gateway)
        self._actions = Actions(sandbox, switches, play_tour)
        self._feed = Feed(sandbox, switches, read_mind)
        self._files = _static_files()

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen on the port, or on one of the next if it is taken; yields the address. Raises NoPort."""
        application = web.Application(middlewares=[guard], client_max_size=_BODY_BYTES)
        application.on_response_prepare.append(add_headers)
        application.add_routes(
            [
                web.get("/", self._file),
                web.get("/static/{name}", self._file),
                web.get("/events", self._events, allow_head=False),
                web.get("/media/{chat}/{message}/{unique}", self._media),
                web.get("/media/{chat}/{message}/{unique}/{part}", self._media),
                web.post("/do/{action}", self._do),
            ]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        running = asyncio.create_task(self._feed.run())
        try:
            chosen = await _listen(runner, host, port)
            shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not listened on
            yield f"http://{f'[{shown}]' if ':' in shown else shown}:{chosen}"
        finally:
            running.cancel()
            self._feed.close()
            await runner.cleanup()

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", _PAGE)
        if name not in self._files:
            raise web.HTTPNotFound
        content, mime_type = self._files[name]
        return web.Response(body=content, content_type=mime_type, charset="utf-8")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """One connection for each open page, which begins anew by itself when it is closed."""
        try:
            queue = self._feed.open_page()
        except TooManyPages:
            return web.Response(status=503, text="Too many pages are open.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        try:
            await response.prepare(request)
            while True:
                try:
                    line = await asyncio.wait_for(queue.get(), _BEAT_S)
                except TimeoutError:
                    line = ": still here\n\n"
                if line is None:
                    return response
                await asyncio.wait_for(response.write(line.encode()), _WRITE_S)
        except (ConnectionResetError, TimeoutError):  # the page was closed, or sleeps
            return response
        finally:
            self._feed.close_page(queue)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        """The file of a message as it is now, or its preview."""
        found = self._attached(request.match_info)
        if found is None:
            raise web.HTTPNotFound
        mime_type = found.mime_type if found.mime_type.startswith(("video/", "image/")) else _ANY_FILE
        return await serve_file(request, ServedFile(content=found.content), mime_type=mime_type)

    def _attached(self, path: "web.UrlMappingMatchInfo") -> StoredFile | None:
        try:
            chat = self._sandbox.telegram.state.chats[int(path["chat"])]
            message = chat.messages[int(path["message"])]
        except (KeyError, ValueError):
            return None
        attachment = message.attachment
        if message.deleted or attachment is None or attachment.file.file_unique_id != path["unique"]:
            return None
        return attachment.thumbnail if path.get("part") == "poster" else attachment.file

    async def _do(self, request: web.Request) -> web.Response:
        """What a visitor does; 400 with a sentence if that is not possible."""
        try:
            given = await request.json()
            return web.json_response(self._actions.run(request.match_info["action"], given))
        except ActionRefused as refusal:
            return web.json_response({"error": str(refusal)}, status=400)
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"error": "This is too long to be sent."}, status=413)
        except (ValueError, RecursionError):
            return web.json_response({"error": "This is not JSON."}, status=400)


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    for candidate in range(port, min(port + _NEXT_PORTS, 1 << 16)) if port else [0]:
        try:
            await web.TCPSite(runner, host, candidate).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
                raise NoPort(f"The page can't be served at {host}: {why}.") from error
        else:
            return int(runner.addresses[-1][1])
    raise NoPort(f"The port {port} and the next ones are taken: name another one by --port.")


def _static_files() -> dict[str, tuple[bytes, str]]:
    folder = resources.files("bot.sandbox.web") / "static"
    return {
        file.name: (file.read_bytes(), _TYPES[suffix])
        for file in folder.iterdir()
        if (suffix := f".{file.name.rpartition('.')[2]}") in _TYPES
    }
