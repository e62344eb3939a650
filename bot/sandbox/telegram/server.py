"""The fake Telegram: a Bot API server on loopback, with users."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from bot.sandbox.faults import Fault, FaultPlan, apply_fault
from bot.sandbox.loopback import LoopbackServer
from bot.sandbox.telegram.api_errors import ApiError
from bot.sandbox.telegram.arguments import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, Arguments, read_arguments
from bot.sandbox.telegram.chats import Message, User
from bot.sandbox.telegram.events import Event
from bot.sandbox.telegram.methods import editing, members, receiving, sending
from bot.sandbox.telegram.state import State
from bot.sandbox.telegram.users import Users

FAKE_TOKEN = "7000000001:AAfake-token-of-the-sandbox"  # noqa: S105 - opens nothing

T = TypeVar("T")
Method = Callable[[State, Arguments], Awaitable[object]]

METHODS: dict[str, Method] = {
    "getMe": receiving.get_me,
    "getUpdates": receiving.get_updates,
    "setWebhook": receiving.set_webhook,
    "deleteWebhook": receiving.delete_webhook,
    "getWebhookInfo": receiving.get_webhook_info,
    "setMyCommands": receiving.set_my_commands,
    "answerCallbackQuery": receiving.answer_callback_query,
    "getChatAdministrators": members.get_chat_administrators,
    "getChatMember": members.get_chat_member,
    "sendMessage": sending.send_message,
    "sendVideo": sending.send_video,
    "sendPhoto": sending.send_photo,
    "sendDocument": sending.send_document,
    "sendChatAction": sending.send_chat_action,
    "editMessageText": editing.edit_message_text,
    "editMessageCaption": editing.edit_message_caption,
    "editMessageMedia": editing.edit_message_media,
    "deleteMessage": editing.delete_message,
    "pinChatMessage": editing.pin_chat_message,
}
_NAMES = {name.lower(): name for name in METHODS}  # method names are case-insensitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that the bot made."""

    method: str
    params: dict[str, Any]  # structures decoded, files as their names and sizes
    at: float = field(default_factory=time.monotonic, compare=False)


class FakeTelegram(Users, LoopbackServer):
    """A Bot API server on loopback, with users."""

    def __init__(self, *, local: bool = False) -> None:
        """local: as with `--local`, 2000 MB and file:// paths."""
        LoopbackServer.__init__(self)
        bot_id = int(FAKE_TOKEN.partition(":")[0])
        bot = User(id=bot_id, first_name="Reelwatch", username="reelwatch_bot", is_bot=True)
        self.state = State(bot, change_signal=self.change_signal, local=local)
        Users.__init__(self, self.state)
        self.token = FAKE_TOKEN
        self.requests: list[Request] = []
        self._faults: FaultPlan[Request] = FaultPlan()
        self._upload_limit = LOCAL_UPLOAD_LIMIT if local else UPLOAD_LIMIT

    @property
    def url(self) -> str:
        """The value for TELEGRAM_API_URL; valid after the first start."""
        return self.address()

    def routes(self) -> list[web.RouteDef]:
        """Methods, as at api.telegram.org."""
        return [
            web.route("*", "/bot{token}/{method}", self._serve_method),
            web.route("*", "/{other:.*}", self._serve_not_found),
        ]

    async def start(self) -> None:
        """Listen, and send updates to the webhook if one is set."""
        await super().start()
        self.state.webhook.start()

    async def stop(self) -> None:
        """Stop listening and sending; the state is kept."""
        await self.state.webhook.stop()
        await super().stop()

    def fail(
        self,
        method: str,
        fault: Fault,
        *,
        times: int | None = 1,
        when: Callable[[Request], bool] | None = None,
    ) -> None:
        """Fail the next `times` calls of a method ("*": any); times=None: until clear_faults()."""
        self._faults.add(method, fault, times=times, when=when)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def messages(self, chat_id: int) -> list[Message]:
        """The messages in a chat that are not deleted, users' messages included."""
        return [message for message in self.state.chats[chat_id].messages.values() if not message.deleted]

    def videos(self, chat_id: int) -> list[Message]:
        """The messages in a chat with a video."""
        return [message for message in self.messages(chat_id) if message.video]

    def subscribe(self) -> "asyncio.Queue[Event]":
        """Return a queue that receives every event from now on."""
        return self.state.subscribe()

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float = 10.0) -> T:
        """Return the first true value of the condition; it is evaluated after every event and request."""
        return await self.change_signal.wait_for(condition, timeout_s=timeout_s)

    async def _serve_method(self, request: web.Request) -> web.StreamResponse:
        requested = request.match_info["method"]
        name = _NAMES.get(requested.lower(), requested)
        try:
            self._check_token(request)
            arguments = await read_arguments(request, upload_limit=self._upload_limit)
        except ApiError as error:
            return _error_response(error)
        recorded = Request(method=name, params=arguments.plain())
        self.requests.append(recorded)
        self.change_signal.notify()
        fault = self._faults.match([name], recorded)
        if fault is None:
            return await self._respond(name, arguments)
        return await apply_fault(fault, request, lambda: self._respond(name, arguments))

    async def _respond(self, name: str, arguments: Arguments) -> web.Response:
        method = METHODS.get(name)
        if method is None:
            return _error_response(ApiError(404, "Not Found"))
        try:
            return web.json_response({"ok": True, "result": await method(self.state, arguments)})
        except ApiError as error:
            return _error_response(error)

    def _check_token(self, request: web.Request) -> None:
        if request.match_info["token"] != self.token:
            raise ApiError(401, "Unauthorized")

    async def _serve_not_found(self, request: web.Request) -> web.Response:
        return _error_response(ApiError(404, "Not Found"))


def _error_response(error: ApiError) -> web.Response:
    return web.json_response(error.body(), status=error.code)
