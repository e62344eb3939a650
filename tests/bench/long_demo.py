"""python -m tests.bench.long_demo: whether the demo and its page in a browser grow with the tours played.

All that both keep is filled up first, by copies of what a tour leaves: chats of 500 messages, 100 tasks, and
so on. Needs Chromium; a quarter of an hour. Exits with 1 if either grows after the twentieth tour.
"""

import asyncio
import ctypes
import ctypes.util
import gc
import pickle
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from playwright.async_api import async_playwright

from bot.app import run
from bot.config import load_settings
from bot.demo_state import read_state
from bot.sandbox.environment import Sandbox, open_sandbox
from bot.sandbox.telegram.chats import Chat, Message
from bot.sandbox.tour import Tours
from bot.sandbox.web.mind import Mind
from bot.sandbox.web.server import WebPage
from bot.watching.cadence import Cadence
from tests.browser.chromium import FLAGS, NO_BROWSER, program

T = TypeVar("T")

_TOURS, _STEP = 60, 10
_FROM = 20  # tours, after which nothing may grow
_CADENCE = Cadence(longest_s=1.0, again_s=1.0, slowest_s=2.0, mend_s=5.0)  # as the demo has it
_PACE = 0.2  # a factor for all times of a tour; what is sent to a chat stays one message a second
_MESSAGES, _TASKS, _REQUESTS = 500, 100, 500  # that a demo keeps
# By which each may grow. Python's allocator needs some more until the copies, which lie side by side, are
# replaced; SQLite caches 2 MB of the database, which keeps all tasks, for each connection.
_MOST = {"RSS": 5.0, "SQLite": 4.0, "page": 1.0, "blocks": 15.0}
_NEW = {
    "chat_id",
    "message_id",
    "date",
    "edit_date",
    "deleted",
    "attachment",
}  # fields that copies do not share


async def main() -> int:
    """Measure and print; returns the exit status."""
    path = program()
    if path is None:
        print(NO_BROWSER, file=sys.stderr)
        return 1
    async with open_sandbox(pace=_PACE) as sandbox, async_playwright() as playwright:
        mind, tours = Mind(partial(read_state, sandbox.database), sandbox.health_url), Tours(sandbox)
        async with WebPage(sandbox, mind.read, tours.play_again).serving("127.0.0.1", 0) as address:
            bot = asyncio.create_task(run(load_settings(sandbox.environment), _CADENCE))
            browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
            await sandbox.wait_for_bot()
            await tours.play()
            _fill(sandbox)
            page = await browser.new_page()
            await page.goto(address)
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            measured = []
            for number in range(_TOURS + 1):
                if number:
                    await tours.play()
                    sandbox.forget_old()
                if number % _STEP == 0:
                    await session.send("HeapProfiler.collectGarbage")
                    metrics = (await session.send("Performance.getMetrics"))["metrics"]
                    heap = next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize") / 1e6
                    cached = _sqlite_mb()
                    own = {"RSS": _resident_mb() - cached, "blocks": sys.getallocatedblocks() / 1000}
                    measured.append(own | {"SQLite": cached, "page": heap})
                    print(f"after {number} tours: {_shown(measured[-1])}", file=sys.stderr, flush=True)
            await browser.close()
            bot.cancel()
            await asyncio.wait({bot})
    first, last = measured[_FROM // _STEP], measured[-1]
    grown = {name: last[name] - first[name] for name in first}
    print(f"grown from {_FROM} to {_TOURS} tours: {_shown(grown)}; at most {_shown(_MOST)}")
    return 0 if all(grown[name] <= most for name, most in _MOST.items()) else 1


def _shown(figures: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {value:.1f} {'k' if name == 'blocks' else 'MB'}" for name, value in figures.items()
    )


def _sqlite_mb() -> float:
    """What SQLite has allocated; 0 where Python has a SQLite of its own."""
    name = ctypes.util.find_library("sqlite3")
    if name is None:
        return 0.0
    used = ctypes.CDLL(name).sqlite3_memory_used
    used.restype = ctypes.c_int64
    return int(used()) / 1e6


def _resident_mb() -> float:
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def _fill(sandbox: Sandbox) -> None:
    """Add copies until as much is kept as a demo keeps, each with memory of its own."""
    telegram, gateway = sandbox.telegram, sandbox.gateway
    for chat in telegram.state.chats.values():
        _repeat(list(chat.messages.values()), len(chat.messages), _MESSAGES, partial(_post, sandbox, chat))
    tasks = list(gateway.tasks.values())
    for number in range(len(tasks), _TASKS):
        copied = replace(_copy(tasks[number % len(tasks)]), task_id=f"{number}")
        gateway.tasks[copied.kind, copied.task_id] = copied
        gateway.last_responses[copied.kind, copied.task_id] = _copy(
            next(iter(gateway.last_responses.values()))
        )
    _repeat(list(telegram.requests), len(telegram.requests), _REQUESTS, telegram.requests.append)
    _repeat(list(gateway.requests), len(gateway.requests), _REQUESTS, gateway.requests.append)
    sandbox.forget_old()


def _repeat(pattern: list[T], number: int, wanted: int, add: Callable[[T], object]) -> None:
    for each in range(number, wanted if pattern else 0):
        add(_copy(pattern[each % len(pattern)]))


def _post(sandbox: Sandbox, chat: Chat, message: Message) -> None:
    content = {each.name: getattr(message, each.name) for each in fields(Message) if each.name not in _NEW}
    if message.attachment is not None:
        file = replace(message.attachment.file, file_id=f"{chat.id} {chat.last_message_id}")
        content["attachment"] = sandbox.telegram.state.store_attachment(
            replace(message.attachment, file=file)
        )
    sandbox.telegram.state.post(chat, **content)


def _copy(value: T) -> T:
    copied: T = pickle.loads(pickle.dumps(value))
    return copied


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
