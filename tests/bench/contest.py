"""One measurement: a program, a number of tasks, an interval and a duration."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Self

from storage.postgres_url import PostgresUrl
from tests.bench.kinds import KEY, KINDS, BenchTask, bench_tasks
from tests.bench.measurements import Contestant, Cost, Ends, Idle, Load, Start
from tests.bench.postgres import BenchServer
from tests.bench.processes import Program, StandIn
from tests.bench.seeding import seed

_PATIENCE_S = 40.0
_FILE = "reelwatch.db"
_ANNOUNCING = {"sendMessage", "sendVideo", "sendDocument"}
_BRINGING = {"editMessageMedia", "sendVideo", "sendDocument"}


def bot_settings(telegram: str, gateway: str, database_url: str) -> dict[str, str]:
    """The settings of the real program, between the servers at these addresses."""
    settings = {
        "TELEGRAM_BOT_TOKEN": "4242:fake-token",
        "TELEGRAM_API_URL": telegram,
        "DATABASE_URL": database_url,
        "ALLOWED_CHATS": "*",
        "DOWNLOAD_ALLOW_PRIVATE": "true",
    }
    for kind in KINDS:  # a key each, as the rate limit per key is at most 1000 a second
        provider = {"BASE_URL": gateway, "API_KEY": f"{KEY}-{kind}", "MAX_RPS": "1000"}
        settings |= {f"PROVIDERS__{kind.upper()}__{name}": value for name, value in provider.items()}
    return settings


class Contest:
    """The fake servers, and the programs that run against them one after another."""

    def __init__(self, gateway: StandIn, telegram: StandIn, *, folder: Path, python: str) -> None:
        """python: the interpreter that runs ours."""
        self._gateway = gateway
        self._telegram = telegram
        self._folder = folder
        self._python = python
        self._numbers = count()

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, python: str) -> AsyncIterator[Self]:
        """Start the fake servers."""
        async with (
            StandIn.open("tests.bench.gateway") as gateway,
            StandIn.open("tests.bench.telegram") as telegram,
        ):
            yield cls(gateway, telegram, folder=folder, python=python)

    async def cost(self, who: Contestant, load: Load) -> Cost:
        """Run a program, and measure it."""
        async with self._running(who, load) as program:
            return await self._window(who, load, program)

    async def cost_and_ends(
        self, load: Load, *, ends: int, gap_s: float, postgres: BenchServer | None = None
    ) -> tuple[Cost, Ends]:
        """Measure ours; then end this many tasks, one after another."""
        who = Contestant.OURS if postgres is None else Contestant.ON_POSTGRES
        async with self._running(who, load, postgres) as program:
            server_s = 0.0 if postgres is None else postgres.cpu_s
            cost = await self._window(who, load, program)
            if postgres is not None:
                cost = replace(cost, server_cpu_s=postgres.cpu_s - server_s)
            ending = Random(1).sample(bench_tasks(load.tasks), ends)
            for task in ending:
                await self._gateway.order("end", task_id=task.task_id, address=self._gateway.address)
                await asyncio.sleep(gap_s)
            return cost, await self._ends(ending)

    async def wrk(self, seconds: int) -> Cost:
        """https://github.com/wg/wrk: the minimum cost of a request, without parsing the response."""
        load = Load(tasks=1, pace_s=0, window_s=seconds)
        await self._gateway.order("begin", tasks=1, answer_s=0)
        before_s = _children_s()
        await self._gateway.order("open", pace_s=0)
        url = self._gateway.address + bench_tasks(1)[0].path
        wrk = await asyncio.create_subprocess_exec(
            "wrk", "-t1", "-c64", f"-d{seconds}s", url, stdout=asyncio.subprocess.DEVNULL
        )
        await wrk.wait()
        report = await self._gateway.order("polls")
        return Cost(
            who=Contestant.WRK,
            load=load,
            polls=report["polls"],
            span_s=report["span_s"],
            cpu_s=_children_s() - before_s,
        )

    async def cold_start(self) -> Start:
        """Start the real program and wait for its first getUpdates."""
        folder = self._new_folder()
        return await self._start(self._bot("bot", folder, _file_in(folder)), "getUpdates")

    async def bare_start(self) -> Start:
        """Start a bare application of python-telegram-bot and wait for its first getMe."""
        order = {"telegram": self._telegram.address}
        bare = Program.open(
            "tests.bench.baseline_bare",
            folder=self._new_folder(),
            settings={},
            order=order,
            python=self._python,
        )
        return await self._start(bare, "getMe")

    async def idle_rss_mb(self, after_s: float) -> float:
        """Memory in use this long after the first getUpdates."""
        await self._telegram.order("forget")
        folder = self._new_folder()
        async with self._bot("bot", folder, _file_in(folder)) as program:
            await self._telegram.answer("first", method="getUpdates")
            await asyncio.sleep(after_s)
            return program.rss_mb

    async def idle(self, postgres: BenchServer, *, replicas: int, settle_s: float, window_s: float) -> Idle:
        """What replicas on one database cost together that have nothing to do."""
        url = await postgres.new_database()
        await postgres.set_durable(True)
        await self._telegram.order("forget")
        async with AsyncExitStack() as stack:
            bots = [
                await stack.enter_async_context(self._bot("bot", self._new_folder(), url))
                for _ in range(replicas)
            ]
            await self._telegram.answer("first", method="getUpdates")
            await asyncio.sleep(settle_s)
            transactions, server_s = await postgres.transactions(), postgres.cpu_s
            bots_s = sum(bot.cpu_s for bot in bots)
            await asyncio.sleep(window_s)
            return Idle(
                replicas=replicas,
                span_s=window_s,
                bots_cpu_s=sum(bot.cpu_s for bot in bots) - bots_s,
                server_cpu_s=postgres.cpu_s - server_s,
                transactions=await postgres.transactions() - transactions,
                rss_mb=max(bot.rss_mb for bot in bots),
            )

    async def _start(self, starting: AbstractAsyncContextManager[Program], method: str) -> Start:
        """Measure a program up to its first call of a method of the Bot API."""
        await self._telegram.order("forget")
        begun = time.monotonic()
        async with starting as program:
            called_at = await self._telegram.answer("first", method=method)
            return Start(took_s=called_at - begun, cpu_s=program.cpu_s)

    @asynccontextmanager
    async def _running(
        self, who: Contestant, load: Load, postgres: BenchServer | None = None
    ) -> AsyncIterator[Program]:
        """A program under steady load."""
        begin = partial(self._gateway.order, "begin", tasks=load.tasks, answer_s=load.answer_s)
        await begin()
        tasks = bench_tasks(load.tasks)
        folder = self._new_folder()
        steady_at = datetime.now(UTC)
        if who in {Contestant.OURS, Contestant.ON_POSTGRES}:
            url = _file_in(folder) if postgres is None else await postgres.new_database()
            if postgres is not None:
                await postgres.set_durable(False)
            steady_at = await seed(
                folder / _FILE if postgres is None else PostgresUrl.of(url),
                tasks,
                gateway=self._gateway.address,
                pace_s=load.pace_s,
                cards_age=load.cards_age,
            )
            await begin()  # the database was seeded with its own responses
            if postgres is not None:
                await postgres.set_durable(True)
            starting = self._bot("tests.bench.bot", folder, url, str(load.pace_s))
        else:
            starting = self._baseline(who, folder, tasks, load)
        async with starting as program:
            await self._gateway.answer("asked")
            left_s = (steady_at - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(left_s, load.pace_s) + load.settle_s)
            yield program

    def _baseline(
        self, who: Contestant, folder: Path, tasks: list[BenchTask], load: Load
    ) -> AbstractAsyncContextManager[Program]:
        order = {
            "urls": [self._gateway.address + task.path for task in tasks],
            "pace_s": load.pace_s,
            "database": str(folder / "baseline.db"),
            "telegram": self._telegram.address,
        }
        return Program.open(f"tests.bench.baseline_{who}", folder=folder, settings={}, order=order)

    def _bot(
        self, module: str, folder: Path, database_url: str, *arguments: str
    ) -> AbstractAsyncContextManager[Program]:
        settings = bot_settings(self._telegram.address, self._gateway.address, database_url)
        return Program.open(
            module, *arguments, folder=folder, settings=settings, order={}, python=self._python
        )

    async def _window(self, who: Contestant, load: Load, program: Program) -> Cost:
        await self._telegram.order("forget")
        await self._gateway.order("open", pace_s=load.pace_s)
        before_s = program.cpu_s
        await asyncio.sleep(load.window_s)
        cpu_s = program.cpu_s - before_s
        report = await self._gateway.order("polls")
        return Cost(
            who=who,
            load=load,
            polls=report["polls"],
            span_s=report["span_s"],
            cpu_s=cpu_s,
            rss_mb=program.rss_mb,
            calls=len(await self._telegram.order("calls")),
            late_s=report["late_s"],
        )

    async def _ends(self, ending: list[BenchTask]) -> Ends:
        """Wait for every video, or until the timeout."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            timings: Mapping[str, tuple[float, float | None]] = await self._gateway.order("ends")
            calls = await self._telegram.order("calls")
            ways = [_way(*timings[task.task_id], task.chat_id, calls) for task in ending]
            whole = [way for way in ways if way is not None]
            if len(whole) == len(ending) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        return Ends(
            unseen=[way[0] for way in whole],
            called=[way[1] for way in whole],
            brought=[way[2] for way in whole],
            missing=len(ending) - len(whole),
        )

    def _new_folder(self) -> Path:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder


def _way(
    ended_at: float, told_at: float | None, chat_id: int, calls: list[tuple[str, int, float]]
) -> tuple[float, float, float] | None:
    """A task's delays; None: its video has not arrived yet."""
    if told_at is None:
        return None
    made = [(method, at) for method, chat, at in calls if chat == chat_id and at >= told_at]
    called = [at for method, at in made if method in _ANNOUNCING]
    brought = [at for method, at in made if method in _BRINGING]
    if not called or not brought:
        return None
    return told_at - ended_at, called[0] - told_at, brought[0] - told_at


def _file_in(folder: Path) -> str:
    return f"sqlite:///{folder / _FILE}"


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
