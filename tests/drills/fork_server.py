"""A fork server with the bot's modules loaded: a drill starts hundreds of bots.

Reads one JSON object per line on standard input, and writes one for each fork and each exit.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bot import app
from bot.config import load_settings
from bot.logs import set_up_logging
from bot.watching.cadence import Cadence
from tests.drills.hang_at_await import HangAtAwait
from tests.drills.kill_at_await import KillAtAwait

_HURRIED = Cadence(longest_s=0.3, recheck_s=0.3, slowest_s=1.0, mend_s=1.0)


def main() -> None:
    """Fork until standard input ends."""
    signal.signal(signal.SIGCHLD, lambda *_: _report_ends())
    for line in sys.stdin:
        order = json.loads(line)
        # The end of a bot is reported after its fork, as its process id may be that of an earlier one.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _run_bot(order)
        _write_message({"forked": order["number"], "pid": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _report_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _write_message({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def _write_message(fact: dict[str, Any]) -> None:
    os.write(sys.stdout.fileno(), f"{json.dumps(fact)}\n".encode())


def _run_bot(order: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    killer = KillAtAwait(order["coroutine"], burns_at=order["burns_at"])
    hang = order["hang"]
    loop_factory = HangAtAwait(order["coroutine"], **hang).loop if hang else killer.loop
    status = 1
    try:
        settings = load_settings(order["settings"])
        set_up_logging(settings.log_level, settings.log_format, settings.secrets)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(app.run(settings, _HURRIED))
        status = 0
    finally:
        Path(order["log"]).with_suffix(".steps").write_text(str(killer.steps), encoding="utf-8")
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
