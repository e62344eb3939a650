"""A python-telegram-bot transport that records the requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from telegram.request import BaseRequest, RequestData

Parameters = dict[str, Any]

BOT = {"id": 99, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}


@dataclass(eq=False)
class RecordingRequest(BaseRequest):
    """Responds to getMe, sendMessage and answerCallbackQuery like Telegram; any other method fails the test.

    refuse: returns the error for the parameters of the latter two: HTTP status and description.
    """

    sent: list[Parameters] = field(default_factory=list)  # the parameters of each sendMessage
    callback_answers: list[Parameters] = field(default_factory=list)  # of each answerCallbackQuery
    unexpected: list[str] = field(default_factory=list)  # other methods that were called
    refuse: Callable[[Parameters], tuple[int, str] | None] = lambda _: None

    @property
    def read_timeout(self) -> float:
        return 1.0

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: object, **__: object
    ) -> tuple[int, bytes]:
        parameters = request_data.parameters if request_data else {}
        match url.rsplit("/", 1)[-1]:
            case "getMe":
                return _ok(BOT)
            case "sendMessage":
                self.sent.append(parameters)
                return self._refusal(parameters) or _ok(self._message(parameters))
            case "answerCallbackQuery":
                self.callback_answers.append(parameters)
                return self._refusal(parameters) or _ok(True)
            case name:
                self.unexpected.append(name)
                return 404, json.dumps({"ok": False, "description": "Not Found"}).encode()

    def _refusal(self, parameters: Parameters) -> tuple[int, bytes] | None:
        refusal = self.refuse(parameters)
        if refusal is None:
            return None
        code, description = refusal
        return code, json.dumps({"ok": False, "error_code": code, "description": description}).encode()

    def _message(self, parameters: Parameters) -> Parameters:
        chat = {"id": parameters["chat_id"], "type": "private"}
        return {"message_id": 1000 + len(self.sent), "date": 1, "chat": chat, "text": parameters["text"]}


def _ok(result: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"ok": True, "result": result}).encode()
