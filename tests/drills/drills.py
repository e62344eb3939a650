"""The drills: which faults are injected, how often, and with which outcome."""

import asyncio
import random
import resource
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.sandbox.faults import LOST_RESPONSE, html_response, json_response
from bot.sandbox.gateway.tasks import Phase
from bot.sandbox.ports import free_port
from tests.drills.bot_processes import BotProcesses
from tests.drills.database import full_disk
from tests.drills.scene import KINDS, PATIENCE_S, DrillScene, Verdict

_AT_ONCE = 3  # concurrent drills; each is a process and two servers
CHAT = 1000
_WEBHOOK_KILLS = 20
_WAITING = 12  # results, in as many chats
_BACK_WITHIN_S = 10.0  # a video that comes later after an outage counts as lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The extent of the drills."""

    steps: int | None  # kill points of each coroutine, spread evenly; None: all
    kills: int  # at random times
    away_s: float  # duration of a server's outage
    long_away_s: float  # duration of Telegram's outage while results are pending
    storm: int  # consecutive 429s
    slack_s: float  # allowed beyond each bound, as in the tests much else runs on the machine


SHORT = Scale(steps=4, kills=6, away_s=2.0, long_away_s=8.0, storm=10, slack_s=20.0)
FULL = Scale(steps=None, kills=200, away_s=150.0, long_away_s=370.0, storm=200, slack_s=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A row of the table."""

    what: str
    runs: int  # kills, storms, outages
    videos: int  # requested
    verdict: Verdict


Drill = Callable[[BotProcesses, Scale], Awaitable[Report]]


@asynccontextmanager
async def open_scene(*, local: bool = False, **settings: str) -> AsyncIterator[DrillScene]:
    """A scene in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with DrillScene.open(Path(folder), local=local, **settings) as scene:
            yield scene


async def finish(
    bot_processes: BotProcesses, scene: DrillScene, *, patience_s: float = PATIENCE_S
) -> Verdict:
    """Let a bot without a kill point deliver everything, and check its exit status."""
    polls = scene.polls
    bot = await bot_processes.start(scene.settings, scene.folder)
    await scene.telegram.wait_for(lambda: scene.polls > polls, timeout_s=30)
    await scene.settle(patience_s=patience_s)
    assert await bot.stop() == 0, bot.log.read_text(encoding="utf-8")
    return scene.verdict()


async def _way(bot_processes: BotProcesses, coroutine: str, burns_at: int | None) -> tuple[Verdict, int]:
    """Deliver a video with a bot that dies at a step; return the verdict, and the steps if it survived."""
    async with open_scene() as scene:
        scene.watch(KINDS[(burns_at or 0) % len(KINDS)], CHAT)
        bot = await bot_processes.start(scene.settings, scene.folder, coroutine=coroutine, burns_at=burns_at)
        steps = 0
        if burns_at is None:
            await scene.settle()
            await bot.stop()
            steps = bot.steps
        else:
            settled = asyncio.create_task(scene.settle())
            bot.ended.add_done_callback(lambda _: settled.cancel())
            await asyncio.wait([settled])
            await scene.kill(bot)
        return await finish(bot_processes, scene), steps


async def _kill_at_each_step(bot_processes: BotProcesses, scale: Scale, coroutine: str, what: str) -> Report:
    verdict, steps = await _way(bot_processes, coroutine, None)
    chosen = range(1, steps + 1)
    if scale.steps is not None:
        chosen = range(1, steps + 1, max(1, steps // scale.steps))
    places = asyncio.Semaphore(_AT_ONCE)

    async def once(step: int) -> Verdict:
        async with places:
            return (await _way(bot_processes, coroutine, step))[0]

    verdicts = await asyncio.gather(*(once(step) for step in chosen))
    return Report(
        what=f"kill -9 at {what} ({steps} steps)",
        runs=len(chosen),
        videos=len(chosen) + 1,
        verdict=sum(verdicts, verdict),
    )


async def kill_the_delivery_worker(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Between the claim of a delivery and its settlement."""
    return await _kill_at_each_step(
        bot_processes, scale, "DeliveryWorker._process", "each await of a delivery"
    )


async def kill_the_scheduler(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Between the claim of a task and the write of its poll."""
    return await _kill_at_each_step(bot_processes, scale, "Scheduler._poll", "each await of a poll")


async def kill_the_dispatcher(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Between an update's arrival and the end of its handler."""
    return await _kill_at_each_step(bot_processes, scale, "Dispatcher._run", "each await of a command")


async def kill_at_random(bot_processes: BotProcesses, scale: Scale) -> Report:
    """One database, new tasks, and a bot that is killed at random times."""
    dice = random.Random(20261122)
    async with open_scene() as scene:
        for number in range(scale.kills):
            watch = scene.watch(KINDS[number % len(KINDS)], CHAT + number, is_done=dice.random() < 0.5)
            bot = await bot_processes.start(scene.settings, scene.folder)
            await asyncio.sleep(dice.uniform(0.05, 1.2))
            await scene.kill(bot)
            if scene.gateway.tasks[watch.task.kind, watch.task.task_id].forced_phase is not Phase.SUCCEEDED:
                scene.finish(watch.task)
        # The backlog is long: every video is probed by its own process.
        verdict = await finish(bot_processes, scene, patience_s=PATIENCE_S + 2 * scale.kills)
    return Report(what="kill -9 at random moments", runs=scale.kills, videos=scale.kills, verdict=verdict)


async def kill_behind_a_webhook(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Updates come by webhook, five for each kill, in ten chats; each chat's watches start in their order."""
    dice = random.Random(20261129)
    kills = min(scale.kills, _WEBHOOK_KILLS)
    port = free_port()
    settings = {"WEBHOOK_URL": f"http://127.0.0.1:{port}/telegram", "WEBHOOK_PORT": str(port)}
    async with open_scene(local=True, **settings) as scene:
        scene.telegram.state.webhook.pace = 0.1
        for number in range(5 * kills):
            scene.watch(KINDS[number % len(KINDS)], CHAT + number % 10)
            if number % 5 == 0:
                bot = await bot_processes.start(scene.settings, scene.folder)
            await asyncio.sleep(dice.uniform(0.01, 0.25))
            if number % 5 == 4:
                await scene.kill(bot)
        verdict = await finish(bot_processes, scene, patience_s=PATIENCE_S + 2 * kills)
        assert scene.telegram.state.updates.waiting == 0
        assert await scene.out_of_order() == 0
    return Report(
        what="kill -9 with updates by webhook", runs=kills, videos=len(scene.watches), verdict=verdict
    )


async def lose_responses(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Telegram accepts a call and its response is lost: twice for every relevant method."""
    async with open_scene() as scene:
        for method in ("sendMessage", "editMessageMedia", "editMessageText", "sendVideo"):
            scene.telegram.fail(method, LOST_RESPONSE, times=2)
        for number, kind in enumerate(KINDS):
            scene.watch(kind, CHAT + number)
        verdict = await finish(bot_processes, scene)
    return Report(what="responses lost after the upload", runs=8, videos=len(KINDS), verdict=verdict)


async def storm_of_429(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Telegram responds with 429 to every send for a while."""
    refusal = json_response(
        429,
        {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 1",
            "parameters": {"retry_after": 1},
        },
    )
    async with open_scene() as scene:
        scene.telegram.fail("*", refusal, times=scale.storm, when=lambda r: r.method not in _QUIET)
        for number in range(8):
            scene.watch(KINDS[number % len(KINDS)], CHAT + number)
        # Each of the chats waits for a second after each.
        verdict = await finish(bot_processes, scene, patience_s=PATIENCE_S + scale.storm / 4)
    return Report(what="storm of 429", runs=scale.storm, videos=8, verdict=verdict)


_QUIET = {"getMe", "getUpdates", "deleteWebhook", "setMyCommands"}


async def telegram_outage(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Telegram is unreachable while tasks end."""
    return await _outage(bot_processes, scale, what="Telegram down", is_telegram=True)


async def gateway_outage(bot_processes: BotProcesses, scale: Scale) -> Report:
    """The gateway is unreachable while tasks are polled, and while videos are downloaded."""
    return await _outage(bot_processes, scale, what="gateway down", is_telegram=False)


async def _outage(bot_processes: BotProcesses, scale: Scale, *, what: str, is_telegram: bool) -> Report:
    async with open_scene() as scene:
        watches = [scene.watch(kind, CHAT + n, is_done=False) for n, kind in enumerate(KINDS)]
        bot = await bot_processes.start(scene.settings, scene.folder)
        await scene.gateway.wait_for(
            lambda: all(scene.gateway.polls(each.task.task_id) for each in watches), timeout_s=30
        )
        server = scene.telegram if is_telegram else scene.gateway
        server.fail("*", html_response(502), times=None)
        for each in watches:
            scene.finish(each.task)
        await asyncio.sleep(scale.away_s)
        server.clear_faults()
        await scene.settle(patience_s=120)
        assert await bot.stop() == 0
        verdict = scene.verdict()
    return Report(what=f"{what} for {scale.away_s:.0f} s", runs=1, videos=len(KINDS), verdict=verdict)


async def results_wait_for_telegram(bot_processes: BotProcesses, scale: Scale) -> Report:
    """After a long outage of Telegram, every pending video is delivered within seconds."""
    return await _long_outage(bot_processes, scale, restarts=False)


async def restart_while_results_wait(bot_processes: BotProcesses, scale: Scale) -> Report:
    """The same, with the bot killed and restarted during the outage."""
    return await _long_outage(bot_processes, scale, restarts=True)


async def _long_outage(bot_processes: BotProcesses, scale: Scale, *, restarts: bool) -> Report:
    async with open_scene() as scene:
        watches = [scene.watch(KINDS[n % len(KINDS)], CHAT + n, is_done=False) for n in range(_WAITING)]
        bot = await bot_processes.start(scene.settings, scene.folder)
        await scene.telegram.wait_for(scene.is_answered, timeout_s=30)
        scene.telegram.fail("*", html_response(502), times=None)
        for each in watches:
            scene.finish(each.task)
        await asyncio.sleep(scale.long_away_s / 2)
        if restarts:
            await bot.kill()
            bot = await bot_processes.start(scene.settings, scene.folder)
        await asyncio.sleep(scale.long_away_s / 2)
        scene.telegram.clear_faults()
        await scene.settle(patience_s=_BACK_WITHIN_S + scale.slack_s, with_cards=False)
        late = scene.verdict().lost
        await scene.settle(patience_s=120)
        assert await bot.stop() == 0, bot.log.read_text(encoding="utf-8")
        verdict = replace(scene.verdict(), lost=late)
    what = f"Telegram down for {scale.long_away_s:.0f} s, all delivered within {_BACK_WITHIN_S:.0f} s after"
    return Report(
        what=f"{what}, restarted in between" if restarts else what,
        runs=1,
        videos=len(watches),
        verdict=verdict,
    )


async def disk_full(bot_processes: BotProcesses, scale: Scale) -> Report:
    """No file can grow: a /watch that the database can't store is rejected, and works when repeated."""
    async with open_scene() as scene:
        polls = scene.polls
        bot = await bot_processes.start(scene.settings, scene.folder)
        await scene.telegram.wait_for(lambda: scene.polls > polls, timeout_s=30)
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        async with full_disk(scene.database):
            for number, kind in enumerate(KINDS):
                scene.watch(kind, CHAT + number)
            await scene.telegram.wait_for(scene.is_answered, timeout_s=30)
            assert scene.verdict().lost == len(KINDS), "the disk was not full"
        resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        scene.repeat_watches()
        await scene.settle()
        assert await bot.stop() == 0
        verdict = scene.verdict()
    return Report(what="disk full", runs=1, videos=len(KINDS), verdict=verdict)


DRILLS: tuple[Drill, ...] = (
    kill_the_delivery_worker,
    kill_the_scheduler,
    kill_the_dispatcher,
    kill_at_random,
    kill_behind_a_webhook,
    lose_responses,
    storm_of_429,
    telegram_outage,
    gateway_outage,
    results_wait_for_telegram,
    restart_while_results_wait,
    disk_full,
)
