"""The client of the fork server: starts bots, kills them, and reads how they ended."""

import asyncio
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

NO_COROUTINE = "nobody"  # a name that no coroutine has


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """A coroutine of a bot hangs."""

    at: int  # its suspensions before that
    speed: float  # of the bot's time
    marker: str  # a file that is made at that moment


@dataclass(slots=True)
class Bot:
    """A bot's process."""

    pid: int
    log: Path
    ended: "asyncio.Future[int]"

    async def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL)
        await self.ended

    async def stop(self) -> int:
        """Send SIGTERM; return the exit status."""
        self._signal(signal.SIGTERM)
        return await self.ended

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.done():
            with suppress(ProcessLookupError):  # its end is not reported yet
                os.kill(self.pid, number)

    @property
    def steps(self) -> int:
        """The number of steps counted, once it has ended by itself."""
        return int(self.log.with_suffix(".steps").read_text(encoding="utf-8"))


@dataclass(slots=True)
class BotProcesses:
    """Starts bots by forking."""

    process: Process
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    forked: "dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]]" = field(default_factory=dict)
    ended: "dict[int, asyncio.Future[int]]" = field(default_factory=dict)  # of the last bot with that id

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Self]:
        """Start the fork server; at the end, kill all bots."""
        root = Path(__file__).parents[2]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.drills.fork_server", stdin=PIPE, stdout=PIPE, cwd=root, env={}
        )
        bot_processes = cls(process)
        reading = asyncio.create_task(bot_processes._read())
        try:
            yield bot_processes
        finally:
            for pid, ended in bot_processes.ended.items():
                if not ended.done():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            reading.cancel()
            process.kill()
            await process.wait()

    async def start(
        self,
        settings: Mapping[str, str],
        folder: Path,
        *,
        coroutine: str = NO_COROUTINE,
        burns_at: int | None = None,
        hang: Hang | None = None,
    ) -> Bot:
        """Fork a bot, which dies at a step of the coroutine, or in which the coroutine hangs."""
        number = next(self.numbers)
        log = folder / f"bot-{number}.log"
        forked = self.forked[number] = asyncio.get_running_loop().create_future()
        order = {
            "number": number,
            "settings": dict(settings),
            "log": str(log),
            "coroutine": coroutine,
            "burns_at": burns_at,
            "hang": asdict(hang) if hang else None,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(order)}\n".encode())
        pid, ended = await forked
        return Bot(pid, log, ended)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            fact = json.loads(line)
            if "forked" in fact:
                ended = self.ended[fact["pid"]] = asyncio.get_running_loop().create_future()
                self.forked.pop(fact["forked"]).set_result((fact["pid"], ended))
            else:
                self.ended[fact["ended"]].set_result(fact["status"])
