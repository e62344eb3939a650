"""Starts `python -m bot` by a fork server, which has the program's modules loaded."""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Self

_REPOSITORY = Path(__file__).parents[2]

CAN_FORK = sys.platform == "linux"  # others have no SOCK_SEQPACKET


class Fork:
    """A process of the program, with the attributes of asyncio.subprocess.Process."""

    def __init__(self, pid: int, told: asyncio.StreamReader, pipe: asyncio.ReadTransport) -> None:
        """told: has a line with the exit status at the end; pipe: from which it is read."""
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self.returncode: int | None = None
        self._ending = asyncio.ensure_future(self._end(told, pipe))

    @classmethod
    async def start(
        cls, *arguments: str, environment: Mapping[str, str], folder: Path, log: int | None = None
    ) -> Self:
        """Start it with nothing on standard input. log: a file for its output, which else is read here."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        told, pipe, to_tell = await _pipe()
        outputs = [await _pipe() for _ in range(2)] if log is None else []
        streams = [writer for _, _, writer in outputs] if log is None else [log, log]
        order = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        socket.send_fds(_server(), [json.dumps(order).encode()], [nothing, *streams, to_tell])
        for each in (nothing, to_tell, *(writer for _, _, writer in outputs)):
            os.close(each)
        fork = cls(int(await told.readline()), told, pipe)
        if log is None:
            fork.stdout, fork.stderr = (reader for reader, _, _ in outputs)
        return fork

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # its status is still to be read
                os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it has ended; return the exit status, negative: the signal that has ended it."""
        return await asyncio.shield(self._ending)

    async def _end(self, told: asyncio.StreamReader, pipe: asyncio.ReadTransport) -> int:
        try:
            self.returncode = int(await told.readline())
        finally:
            pipe.close()
        return self.returncode


async def _pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    """A pipe: its end to read, with its transport, and its end to write."""
    read, write = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", buffering=0)
    )
    return reader, transport, write


@cache
def _server() -> socket.socket:
    """The socket of the fork server, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.fork_server"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            cwd=_REPOSITORY,
            env={"PYTHONUNBUFFERED": "1"} | dict(os.environ),
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
