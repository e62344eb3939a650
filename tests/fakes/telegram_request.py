"""A python-telegram-bot transport that records the requests."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from telegram.request import BaseRequest, RequestData

Parameters = dict[str, Any]

BOT = {"id": 99, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}

_ADMIN_RIGHTS = [
    f"can_{right}"
    for right in (
        "be_edited",
        "manage_chat",
        "delete_messages",
        "manage_video_chats",
        "restrict_members",
        "promote_members",
        "change_info",
        "invite_users",
        "post_stories",
        "edit_stories",
        "delete_stories",
    )
]


@dataclass(eq=False)
class RecordingRequest(BaseRequest):
    """Responds to the methods that handlers call like Telegram; any other method fails the test.

    refuse: returns the error for the parameters of a message or callback answer: HTTP status and description.
    """

    sent: list[Parameters] = field(default_factory=list)  # the parameters of each sendMessage and sendPhoto
    edits: list[Parameters] = field(default_factory=list)  # of each edit of a text or caption
    callback_answers: list[Parameters] = field(default_factory=list)  # of each answerCallbackQuery
    menus: list[Parameters] = field(default_factory=list)  # the parameters of each setMyCommands
    unexpected: list[str] = field(default_factory=list)  # other methods that were called
    admins: list[int] | None = field(
        default_factory=list
    )  # of every chat; None: Telegram refuses to list them
    members: str | None = None  # the status of every user; None: Telegram refuses to tell
    asked: list[Parameters] = field(default_factory=list)  # the parameters of the calls about those
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
            case "sendPhoto":
                self.sent.append(parameters)
                return self._refusal(parameters) or _ok(self._message(parameters))
            case "editMessageText" | "editMessageCaption":
                self.edits.append(parameters)
                return self._refusal(parameters) or _ok(self._message(parameters))
            case "answerCallbackQuery":
                self.callback_answers.append(parameters)
                return self._refusal(parameters) or _ok(True)
            case "getChatAdministrators" | "getChatMember" as name:
                self.asked.append(parameters)
                return self._about_members(name, parameters)
            case "setMyCommands":
                self.menus.append(parameters)
                return _ok(True)
            case name:
                self.unexpected.append(name)
                return 404, json.dumps({"ok": False, "description": "Not Found"}).encode()

    def _about_members(self, method: str, parameters: Parameters) -> tuple[int, bytes]:
        if method == "getChatMember" and self.members is not None:
            return _ok(_member(int(str(parameters["user_id"])), self.members))
        if method == "getChatAdministrators" and self.admins is not None:
            return _ok([_member(user_id, "creator") for user_id in self.admins])
        return self._error(400, "Bad Request: member list is inaccessible")

    def _refusal(self, parameters: Parameters) -> tuple[int, bytes] | None:
        refusal = self.refuse(parameters)
        if refusal is None:
            return None
        return self._error(*refusal)

    def _error(self, code: int, description: str) -> tuple[int, bytes]:
        answer: Parameters = {"ok": False, "error_code": code, "description": description}
        if flood := re.search(r"retry after (\d+)", description):
            answer["parameters"] = {"retry_after": int(flood[1])}
        return code, json.dumps(answer).encode()

    def _message(self, parameters: Parameters) -> Parameters:
        chat = {"id": parameters["chat_id"], "type": "private"}
        return {"message_id": 1000 + len(self.sent), "date": 1, "chat": chat, "text": parameters.get("text")}


def _member(user_id: int, status: str) -> Parameters:
    user = {"id": user_id, "is_bot": False, "first_name": "Ann"}
    rights = dict.fromkeys(_ADMIN_RIGHTS, True) if status == "administrator" else {}
    return {"user": user, "status": status, "is_anonymous": False, **rights}


def _ok(result: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"ok": True, "result": result}).encode()
