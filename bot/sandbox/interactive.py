"""The interactive mode after the tour: sends typed lines to the bot."""

import asyncio
import os
import threading

from bot.sandbox.environment import ANNA, Sandbox
from bot.sandbox.gateway.tasks import KINDS
from bot.sandbox.tour import Tours

_SECONDS = 12.0  # duration of a task
_REASON = "The size is not match 1280*720"
_HELP = f"""
You are Anna now; each line that you type is sent to the bot.
  :new KIND    submit another task (takes {_SECONDS:.0f} s); KIND is {", ".join(KINDS)}
  :fail KIND   submit one that fails
  :tour        play the tour again
  :help        this
Ctrl-D ends.
"""


async def run_interactive(sandbox: Sandbox, tours: Tours, descriptor: int) -> None:
    """Process lines from a file descriptor until end of file."""
    sandbox.screen.print_line(_HELP)
    sandbox.screen.print_line("Three tasks were just submitted to the gateway; try:")
    _submit(sandbox, "jimeng")
    _submit(sandbox, "videos")
    _submit(sandbox, "alibailian", fails=_REASON)
    lines = _lines(descriptor)
    while (line := await lines.get()) is not None:
        word, _, kind = line.strip().partition(" ")
        match word:
            case "":
                continue
            case ":new" if kind in KINDS:
                _submit(sandbox, kind)
            case ":fail" if kind in KINDS:
                _submit(sandbox, kind, fails=_REASON)
            case ":tour":
                if not tours.play_again():
                    sandbox.screen.print_line("The tour is being played.")
            case _ if word.startswith(":"):
                sandbox.screen.print_line(_HELP)
            case _:
                sandbox.telegram.send(ANNA, line.strip())


def _submit(sandbox: Sandbox, kind: str, *, fails: str | None = None) -> None:
    task = sandbox.new_task(kind, seconds=_SECONDS, fails=fails)
    sandbox.screen.print_line(f"  /watch {kind} {task.task_id}{'   (this one fails)' if fails else ''}")


def _lines(descriptor: int) -> "asyncio.Queue[str | None]":
    """A queue of the typed lines; None at end of file.

    A thread reads the descriptor itself: asyncio can't wait for files, and a thread inside sys.stdin
    would hold its lock while the interpreter ends.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        rest = b""
        while chunk := os.read(descriptor, 4096):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines
