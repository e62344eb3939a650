"""A fork server of `python -m bot`: starts the program without the half second that its imports take.

Standard input is a socket. Each message on it is an order in JSON with four file descriptors: the standard
streams of a process, and a pipe, on which a line with its id follows, and at its end one with its status.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import time
from typing import Any, NoReturn

import bot.app
import bot.backup
import bot.check
import bot.cli
import bot.http.probe
import bot.transfer
import storage.postgres.store

LOADED = (bot.app, bot.backup, bot.check, bot.cli, bot.http.probe, bot.transfer, storage.postgres.store)
_ORDER_BYTES = 1 << 16
_STREAMS = 4


def main() -> None:
    """Fork until the socket is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    gc.freeze()
    orders = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    while True:
        order, streams, _, _ = socket.recv_fds(orders, _ORDER_BYTES, _STREAMS)
        if not order:
            return
        if os.fork() == 0:
            orders.close()
            _guard(json.loads(order), streams)
        for each in streams:
            os.close(each)


def _guard(order: dict[str, Any], streams: list[int]) -> NoReturn:
    """Fork the process, tell its id, wait for its end, and tell its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, told = streams
    process_id = os.fork()
    if process_id == 0:
        os.close(told)
        _run(order, standard)
    os.closerange(0, 3)
    for each in standard:
        os.close(each)
    os.write(told, f"{process_id}\n".encode())
    _, status = os.waitpid(process_id, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(order: dict[str, Any], standard: list[int]) -> NoReturn:
    """Run the program as if it had been started with these arguments, environment, folder and streams."""
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["folder"])
    sys.argv[1:] = order["arguments"]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
