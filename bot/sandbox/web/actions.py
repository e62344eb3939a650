"""What the visitors of the page do: they send messages, press buttons, submit tasks and break the servers."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.environment import Sandbox
from bot.sandbox.gateway.tasks import KINDS, GatewayTask, Progress
from bot.sandbox.sample_video import with_free_box
from bot.sandbox.telegram.arguments import UPLOAD_LIMIT
from bot.sandbox.telegram.content import TEXT_LIMIT
from bot.sandbox.web.switches import Switch, Switches

Json = dict[str, Any]

_LONGEST_S = 24 * 3600.0
_MOST_TASKS = 500
_LONGEST_REASON = 300  # characters
_MOST_PARTS = 10  # messages that a pasted text is split into
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ActionRefused(Exception):
    """The action is not possible; the text is a sentence."""


class Actions:
    """Each method does one thing; its argument comes from outside and is checked."""

    def __init__(self, sandbox: Sandbox, switches: Switches, play_tour: Callable[[], bool]) -> None:
        """play_tour: starts the tour again; False: it is being played."""
        self._sandbox = sandbox
        self._switches = switches
        self._play_tour = play_tour
        self._huge: bytes | None = None  # a video
        self._known: Mapping[str, Callable[[Json], Json]] = {
            "send": self._send,
            "press": self._press,
            "submit": self._submit,
            "advance": self._advance,
            "switch": self._switch,
            "tour": self._tour,
        }

    def run(self, name: str, given: object) -> Json:
        """Do it; raises ActionRefused."""
        action = self._known.get(name)
        if action is None or not isinstance(given, dict):
            raise ActionRefused("There is no such action.")
        return action(
            {key: _clean(value) if isinstance(value, str) else value for key, value in given.items()}
        )

    def _send(self, given: Json) -> Json:
        """Send a text, split into messages as Telegram's clients do."""
        chat_id, user = self._place(given)
        text = given.get("text")
        if not isinstance(text, str) or not text.strip():
            raise ActionRefused("There is nothing to send.")
        parts = _split(text.strip())
        if len(parts) > _MOST_PARTS:
            raise ActionRefused("This is too long to be sent.")
        telegram = self._sandbox.telegram
        chat = telegram.state.chats[chat_id]
        thread = _id(given, "thread") if given.get("thread") is not None else None
        if thread is not None and thread not in chat.topics:
            raise ActionRefused("There is no such topic.")
        reply_to = _id(given, "replyTo") if given.get("replyTo") is not None else None
        if reply_to is not None and reply_to not in chat.messages:
            raise ActionRefused("The message to reply to does not exist.")
        sent = [telegram.send(chat_id, part, user=user, thread=thread, reply_to=reply_to) for part in parts]
        return {"ids": sent}

    def _press(self, given: Json) -> Json:
        chat_id, user = self._place(given)
        data = given.get("data")
        try:
            query = self._sandbox.telegram.press(chat_id, _id(given, "message"), str(data), user=user)
        except LookupError:
            raise ActionRefused("This button is gone.") from None
        return {"query": query}

    def _submit(self, given: Json) -> Json:
        """Submit a task to the gateway; seconds None: it moves only by _advance()."""
        kind, seconds, fails = given.get("kind"), given.get("seconds"), given.get("fails")
        if kind not in KINDS:
            raise ActionRefused("There is no such kind of task.")
        if seconds is not None and (
            isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_S
        ):
            raise ActionRefused("A task takes between 0 seconds and a day.")
        if fails is not None and (not isinstance(fails, str) or len(fails) > _LONGEST_REASON):
            raise ActionRefused("This is no reason why a task fails.")
        if len(self._sandbox.gateway.tasks) >= _MOST_TASKS:
            raise ActionRefused("The gateway has too many tasks; start the demo again.")
        try:
            progress = Progress(given.get("progress", Progress.STEADY))
        except ValueError:
            raise ActionRefused("There is no such kind of progress.") from None
        task = self._sandbox.new_task(str(kind), seconds=seconds, fails=fails)
        if given.get("isHuge") is True:
            self._enlarge(task)
        task.progress_style = progress
        task.has_link = given.get("hasLink", True) is not False or kind != "videos"
        return {"id": task.task_id}

    def _enlarge(self, task: GatewayTask) -> None:
        """Make its video larger than bots may send; all such tasks share one."""
        if self._huge is None:
            self._huge = with_free_box(task.served.content, bytes(UPLOAD_LIMIT))
        task.served.content = self._huge

    def _advance(self, given: Json) -> Json:
        task_id = given.get("id")
        tasks = [task for task in self._sandbox.gateway.tasks.values() if task.task_id == task_id]
        if len(tasks) != 1:
            raise ActionRefused("There is no such task.")
        return {"phase": self._sandbox.gateway.advance(str(task_id))}

    def _switch(self, given: Json) -> Json:
        try:
            switch = Switch(given.get("name", ""))
        except ValueError:
            raise ActionRefused("There is no such switch.") from None
        self._switches.turn(switch, on=given.get("on") is True)
        return self._switches.states()

    def _tour(self, _: Json) -> Json:
        if not self._play_tour():
            raise ActionRefused("The tour is being played.")
        return {}

    def _place(self, given: Json) -> tuple[int, int | None]:
        """The chat, and who acts there; None: the channel itself."""
        chat_id = _id(given, "chat")
        people = self._sandbox.people.get(chat_id)
        if people is None:
            raise ActionRefused("There is no such chat.")
        if not people:
            return chat_id, None
        user = _id(given, "user") if "user" in given else people[0]
        if user not in people:
            raise ActionRefused("This person is not in the chat.")
        return chat_id, user


def _clean(text: str) -> str:
    """Without what no client of Telegram sends: control characters, and halves of surrogate pairs."""
    whole = text.replace("\r\n", "\n").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROL.sub(" ", whole)


def _split(text: str) -> list[str]:
    """Parts that fit into messages, ended at white space where there is any."""
    parts = []
    while len(text) > TEXT_LIMIT:
        ends = [match.start() for match in re.finditer(r"\s", text[: TEXT_LIMIT + 1])]
        end = ends[-1] if ends else TEXT_LIMIT
        parts.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*parts, text]


def _id(given: Json, name: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ActionRefused(f"{name} is not the number of anything.")
    return value
