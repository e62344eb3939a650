"""Runs inside a container of the image: a fake Telegram and gateway, and a person who follows standard input.

Lines in: watch, finish, video. Lines out: first the bot's settings as JSON, then an answer to each line.
"""

import asyncio
import json
import sys
import time

from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import Phase
from bot.sandbox.telegram import FakeTelegram

_PERSON = 1001
_WAIT_S = 60.0


async def main() -> None:
    """Serve until the end of standard input."""
    telegram, gateway = FakeTelegram(), FakeGateway()
    telegram.private_chat(_PERSON)
    await telegram.start()
    await gateway.start()
    settings = {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_URL": telegram.url,
        "GATEWAY_BASE_URL": gateway.url,
        "GATEWAY_API_KEY": gateway.key,
        "ALLOWED_CHATS": str(_PERSON),
        "DOWNLOAD_ALLOW_PRIVATE": "true",
    }
    print(json.dumps(settings), flush=True)
    task = gateway.add("videos", new_id("videos", time.time()), seconds=None)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        match line:
            case "watch":
                telegram.send(_PERSON, f"/watch videos {task.task_id}")
                await telegram.wait_for(
                    lambda: [each for each in telegram.messages(_PERSON) if each.from_bot], timeout_s=_WAIT_S
                )
            case "finish":
                while gateway.advance(task.task_id) is not Phase.SUCCEEDED:
                    pass
            case "video":
                await telegram.wait_for(lambda: telegram.videos(_PERSON), timeout_s=_WAIT_S)
        print(line, len(telegram.videos(_PERSON)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
