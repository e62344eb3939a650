"""Starts other processes, sends them commands, and reads their cost."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process's environment
_ANSWER = 2**26  # bytes
_STOP_S = 5.0
_LOOK_S = 0.02
_ANSWER_S = 60.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """An environment with these settings and no others."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(settings)


class StandIn:
    """A server that takes commands."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.address = f"http://127.0.0.1:{port}"

    @classmethod
    @asynccontextmanager
    async def open(cls, module: str) -> AsyncIterator[Self]:
        """Start it and wait until it listens; at the end it is killed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, env=environment({}), limit=_ANSWER
        )
        assert process.stdout is not None
        try:
            yield cls(process, int(await process.stdout.readline()))
        finally:
            process.kill()
            await process.wait()

    async def order(self, what: str, **details: Any) -> Any:
        """Send a command and wait for its reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps({'do': what} | details)}\n".encode())
        return json.loads(await self._process.stdout.readline())

    async def answer(self, what: str, **details: Any) -> Any:
        """Repeat a command until its reply is not empty."""
        async with asyncio.timeout(_ANSWER_S):
            while True:
                if (answer := await self.order(what, **details)) is not None:
                    return answer
                await asyncio.sleep(_LOOK_S)


class Program:
    """A program that is measured."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *arguments: str,
        folder: Path,
        settings: Mapping[str, str],
        order: Mapping[str, Any],
        python: str = sys.executable,
    ) -> AsyncIterator[Self]:
        """Run a module in a folder, with a command on its standard input; stop it at the end."""
        log = folder / "output.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                python, "-m", *arguments,
                stdin=PIPE, stdout=output, stderr=output, cwd=folder, env=environment(settings),
            )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        try:
            yield cls(process, log)
        finally:
            await _stop(process)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time so far, its children's included."""
        return sum(map(_cpu_s, self._family()))

    @property
    def rss_mb(self) -> float:
        """Memory in use now, its children's included."""
        return sum(_rss_mb(pid) for pid in self._family())

    def _family(self) -> list[int]:
        if self._process.returncode is not None:
            raise RuntimeError(f"it ended by itself:\n{self._log.read_text(encoding='utf-8')[-2000:]}")
        return _family(self._process.pid)


def family_cpu_s(pid: int) -> float:
    """Seconds of processor time of a process and its children so far."""
    return sum(map(_cpu_s, _family(pid)))


def _family(pid: int) -> list[int]:
    """The process and its living children: https://man7.org/linux/man-pages/man5/proc_pid_task.5.html."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *map(int, children)]


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _cpu_s(pid: int) -> float:
    """Fields 14 to 17, reaped children too: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    fields = _proc(pid, "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def _rss_mb(pid: int) -> float:
    fields = _proc(pid, "statm").split()
    return sum(map(int, fields[1:2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _proc(pid: int, name: str) -> str:
    """A process's file in /proc; "" for a child that has just ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
