"""A minimal bot for the sandbox, correct or with a defect."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from telegram import Bot, Message, Update
from telegram.request import HTTPXRequest

_PAUSE_S = 0.02
PATHS = {
    "wan": "/alibailian/api/v1/tasks/",
    "newapi": "/v1/video/generations/",
    "jimeng": "/jimeng/fetch/",
    "seedance": "/jimeng/fetch/",
    "sora": "/v1/videos/",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallBot:
    """Replies to everything and sends videos."""

    repeats_watches: bool = False  # treats a repeated /watch as a new one
    reports_reasons: bool = True
    watched: set[tuple[int, str]] = field(default_factory=set)

    async def __call__(self, environment: Mapping[str, str]) -> int:
        """Run until cancelled."""
        quick = HTTPXRequest(httpx_kwargs={"verify": False})
        base_url = f"{environment['TELEGRAM_API_URL']}/bot"
        key = {"Authorization": f"Bearer {environment['GATEWAY_API_KEY']}"}
        bot = Bot(environment["TELEGRAM_BOT_TOKEN"], base_url, request=quick, get_updates_request=quick)
        gateway = httpx.AsyncClient(base_url=environment["GATEWAY_BASE_URL"], headers=key, verify=False)
        async with bot, gateway, asyncio.TaskGroup() as tasks:
            offset = 0
            while True:
                for update in await bot.get_updates(offset=offset, timeout=5):
                    offset = update.update_id + 1
                    tasks.create_task(self._answer(update, gateway))

    async def _answer(self, update: Update, gateway: httpx.AsyncClient) -> None:
        message = update.effective_message
        assert message is not None
        assert message.text is not None
        await message.reply_text("Well.")
        words = message.text.split()
        if not words[0].startswith("/watch"):
            return
        key = (message.chat_id, words[2])
        if self.repeats_watches or key not in self.watched:
            self.watched.add(key)
            await self._watch(message, f"{PATHS[words[1]]}{words[2]}", gateway)

    async def _watch(self, message: Message, path: str, gateway: httpx.AsyncClient) -> None:
        answer = ""
        while "http" not in answer and "FAILURE" not in answer:
            await asyncio.sleep(_PAUSE_S)
            answer = (await gateway.get(path)).text
        if "FAILURE" in answer:
            if self.reports_reasons:
                await message.reply_text(answer, do_quote=True)
            return
        link = answer[answer.index("http") :].partition('"')[0]
        async with httpx.AsyncClient(verify=False) as without_key:
            video = (await without_key.get(link)).content
        await message.reply_video(video, do_quote=True)
