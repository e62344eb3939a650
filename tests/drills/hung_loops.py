"""Measures how soon /livez, or the end of the process, tells that a loop hangs while the others run."""

import asyncio
import contextlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bot.sandbox.ports import free_port
from tests.drills.bot_processes import Bot, BotProcesses, Hang
from tests.drills.scene import DrillScene
from tests.e2e.database import ON_POSTGRES

LIMIT_S = 60.0
_LATENCY_S = 3.0  # of a busy machine, by its own clock
_PATIENCE_S = 30.0  # until the coroutine hangs, and beyond LIMIT_S
_TICK_S = 0.05

# The tasks that run a loop. One that hangs within a transaction keeps the database locked: noticed sooner.
_COROUTINES = (
    "UpdatePoller.run",
    "Scheduler.run",
    "Scheduler._sync_with_store",
    "_deliver",
    "CardRefresher.run",
    "AdminReports.run",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Where the bot hangs."""

    coroutine: str
    at: int  # suspensions before that


SHORT_SPEED = 10.0  # of the bot's time
# A leader that does not renew its lease ends, but by a clock that no drill can hurry.
_STANDBY = Case(coroutine="PostgresLeadership.acquire", at=4)
_LEADER = Case(coroutine="PostgresLeadership.hold", at=6)
SHORT_CASES = (
    *(Case(coroutine=each, at=6) for each in _COROUTINES),
    Case(coroutine="run_workers", at=2),
    *([_STANDBY] if ON_POSTGRES else []),
)
CASES = (
    *SHORT_CASES,
    *(Case(coroutine=each, at=at) for each in _COROUTINES for at in (2, 4, 9)),
    *([_LEADER] if ON_POSTGRES else []),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A row of the table; times are the bot's."""

    case: Case
    summary: str  # of /livez, or the exit status
    red_after_s: float
    latency_s: float  # of this machine

    @property
    def is_good(self) -> bool:
        """Whether it was told in time."""
        return self.red_after_s < LIMIT_S + self.latency_s


async def detect_hang(bot_processes: BotProcesses, case: Case, *, speed: float = 1.0) -> Detection:
    """Let a coroutine of a bot hang, and ask /livez until it is red. speed: of the bot's time."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        async with DrillScene.open(Path(folder)) as scene:
            marker = scene.folder / "hangs"
            bot = await bot_processes.start(
                scene.settings | {"HEALTH_PORT": str(port)},
                scene.folder,
                coroutine=case.coroutine,
                hang=Hang(at=case.at, speed=speed, marker=str(marker)),
            )
            for chat_id in range(1000, 1003):  # so that each loop has something to do
                scene.watch("videos", chat_id)
            try:
                summary = await _summary_when_red(bot, port, timeout_s=LIMIT_S / speed + _PATIENCE_S)
                red_after_s = (time.time() - marker.stat().st_mtime) * speed
            finally:
                await bot.kill()
    return Detection(case=case, summary=summary, red_after_s=red_after_s, latency_s=(speed - 1) * _LATENCY_S)


async def _summary_when_red(bot: Bot, port: int, *, timeout_s: float) -> str:
    async with aiohttp.ClientSession() as session, asyncio.timeout(timeout_s):
        while not bot.ended.done():
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/livez") as response:
                    if response.status != 200:
                        return str(json.loads(await response.text())["summary"])
            await asyncio.sleep(_TICK_S)
    return f"The process ended with {bot.ended.result()}."
