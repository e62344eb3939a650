"""A replica of the bot: a real process with ways of its own to the database and to Telegram."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import STDOUT
from typing import Any

import aiohttp

from bot.sandbox.ports import free_port
from tests.e2e.forks import CAN_FORK, Fork
from tests.e2e.program import environment, until_sigterm_is_handled
from tests.fakes.relay import Relay

HARD_EXIT = 75  # of a replica whose work did not end when it no longer led
_STOP_S = 10.0
_READINESS_S = 1.0
_LAST_LINES = 12


class Replica:
    """A place for a process, in which one can follow another."""

    def __init__(
        self, number: int, folder: Path, *, database: Relay, telegram: Relay, session: aiohttp.ClientSession
    ) -> None:
        """session: with which its health is asked for."""
        self.number = number
        self.database = database
        self.telegram = telegram
        self.health_port = free_port()
        self.log = folder / f"replica-{number}.log"
        self._session = session
        self._process: asyncio.subprocess.Process | Fork | None = None

    async def start(self, settings: Mapping[str, str], *, module: str, variables: Mapping[str, str]) -> None:
        """Start a process. module: what Python runs. variables: of its environment, besides its settings."""
        whole = environment(settings) | dict(variables)
        with self.log.open("ab") as log:
            if CAN_FORK and module == "bot" and not variables:
                self._process = await Fork.start(environment=whole, folder=self.log.parent, log=log.fileno())
                return
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=STDOUT,
                cwd=self.log.parent,
                env=whole,
            )

    @property
    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text("utf-8").splitlines()[-_LAST_LINES:])

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended, be it frozen."""
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        if self.is_running:
            self._process.kill()
        await self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def stop(self, *, slack_s: float = 0.0) -> int | None:
        """Send SIGTERM; return the exit status, or None if it takes over ten seconds, and the slack."""
        if self.is_running:
            self._signal(signal.SIGTERM)
        return await self.end(timeout_s=_STOP_S + slack_s)

    async def until_sigterm_is_handled(self) -> None:
        """Wait until it has a handler for SIGTERM. Needs Linux."""
        assert self._process is not None
        await until_sigterm_is_handled(self._process.pid)

    async def end(self, *, timeout_s: float) -> int | None:
        """Wait until it ends by itself; return the exit status, or None if it does not."""
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), timeout_s)
        except TimeoutError:
            return None

    async def role(self) -> str | None:
        """What /readyz says that it is; None: it does not respond."""
        return (await self.readiness()).get("role")

    async def readiness(self) -> dict[str, Any]:
        """What /readyz says; empty: it does not respond."""
        url = f"http://127.0.0.1:{self.health_port}/readyz"
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(_READINESS_S)) as response:
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError):
            return {}

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
