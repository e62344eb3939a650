"""Runs `python -m bot` as a separate process."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from bot.sandbox.change_signal import ChangeSignal
from tests.e2e.forks import CAN_FORK, Fork

_REPOSITORY = Path(__file__).parents[2]
_TICK_S = 0.005
_STOP_S = 20.0  # five on an idle machine with an upload that hangs, and ten is what is promised
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment


def command(*arguments: str) -> tuple[str, ...]:
    """The command line of the program."""
    return (sys.executable, "-m", "bot", *arguments)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment with only these settings and what a Python process needs."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(_REPOSITORY), "PYTHONUNBUFFERED": "1"} | dict(settings)


async def until_sigterm_is_handled(process_id: int) -> None:
    """Wait until a process has a handler for SIGTERM. Needs Linux."""
    status = Path(f"/proc/{process_id}/status")
    while True:
        [caught] = re.findall(r"^SigCgt:\s*(\w+)$", status.read_text(encoding="ascii"), re.MULTILINE)
        if int(caught, 16) & 1 << (signal.SIGTERM - 1):
            return
        await asyncio.sleep(_TICK_S)


class Program:
    """A process and its output so far."""

    def __init__(self, process: Process | Fork, change_signal: ChangeSignal) -> None:
        """change_signal: notified after each line of output and at the end of the process."""
        self.output = ""  # standard output
        self.log = ""  # standard error
        self._process = process
        self._change_signal = change_signal
        self._reading = asyncio.gather(self._read_output(), self._read_log())
        self._reading.add_done_callback(lambda _: change_signal.notify())

    @classmethod
    async def start(
        cls,
        *arguments: str,
        settings: Mapping[str, str],
        folder: Path,
        change_signal: ChangeSignal,
        is_loading: bool = False,
    ) -> Self:
        """Start it in a folder, with these settings and no others.

        is_loading: a Python begins that has to load the program, which else is forked from one that has.
        """
        variables = environment(settings)
        if CAN_FORK and not is_loading:
            return cls(await Fork.start(*arguments, environment=variables, folder=folder), change_signal)
        process = await asyncio.create_subprocess_exec(
            *command(*arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=folder,
            env=variables,
        )
        return cls(process, change_signal)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def row(self, name: str) -> str:
        """The last line of its tables that begins with a name."""
        return [line for line in self.output.splitlines() if line.startswith(f"{name}  ")][-1]

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return not self._reading.done()

    async def end(self, *, timeout_s: float = 30.0) -> int:
        """Wait until it ends by itself, and return its exit status."""
        async with asyncio.timeout(timeout_s):
            await self._reading
            return await self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout_s: float = _STOP_S) -> int:
        """Send a signal and return the exit status."""
        self._process.send_signal(number)
        return await self.end(timeout_s=timeout_s)

    async def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
        await self.end()

    async def _read_output(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output += line.decode()
            self._change_signal.notify()

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log += line.decode()
            self._change_signal.notify()
