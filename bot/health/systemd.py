"""Tells systemd how the bot is doing: started, in words, alive, stopping.

The protocol of sd_notify: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

from bot.health.report import HealthReport
from bot.health.states import Readiness
from storage.figures import Workload

log = logging.getLogger(__name__)

_PERIOD_S = 10.0  # between two notifications; with a watchdog at most half its time
_PERIOD_NOT_WELL_S = 1.0  # before the start, and while the bot is not alive
_STATUS_CHARACTERS = 400


class ServiceManager:
    """systemd's socket for notifications; without one, nothing is sent."""

    def __init__(self, environment: Mapping[str, str], *, process_id: int | None = None) -> None:
        """environment: with NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which systemd sets."""
        path = environment.get("NOTIFY_SOCKET", "")
        is_address = path.startswith(("/", "@")) and len(path) > 1
        self._address = path.replace("@", "\0", 1) if path.startswith("@") else path
        self.is_present = is_address
        usec = environment.get("WATCHDOG_USEC", "")
        watched = environment.get("WATCHDOG_PID", "") or str(process_id or os.getpid())
        is_watched = usec.isascii() and usec.isdigit() and watched == str(process_id or os.getpid())
        self.watchdog_s = int(usec) / 1e6 if is_watched and int(usec) else None

    def notify(self, **states: str) -> bool:
        """Send states, such as READY="1"; False: it was not sent."""
        if not self.is_present:
            return False
        message = "\n".join(f"{name}={value}" for name, value in states.items()).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                return sender.sendto(message, self._address) == len(message)
        except OSError as error:
            log.debug("systemd was not notified: %s", error.strerror)
            return False


async def keep_notified(manager: ServiceManager, report: HealthReport) -> None:
    """Notify until cancelled: READY once the loops run, STATUS, and WATCHDOG while nothing hangs.

    WATCHDOG goes on while the disk is full, as a restart would not help.

    A bot that can't start its loops, as with a full disk, is ready as well: it says so in the chats.
    """
    if not manager.is_present:
        return
    is_ready = False
    period_s = min(_PERIOD_S, manager.watchdog_s / 2) if manager.watchdog_s else _PERIOD_S
    while True:
        readiness, workload = await report.ready(), await report.workload()
        liveness = readiness.liveness
        states = {"STATUS": _status(readiness, workload)}
        if not liveness.hangs:
            states["WATCHDOG"] = "1"
        if not is_ready and (report.has_started or not liveness.is_ok):
            states["READY"] = "1"
        is_ready = (manager.notify(**states) and "READY" in states) or is_ready
        await asyncio.sleep(period_s if is_ready and liveness.is_ok else min(period_s, _PERIOD_NOT_WELL_S))


def _status(readiness: Readiness, workload: Workload | None) -> str:
    """What the bot does and what is wrong: "Watching 12 tasks; Telegram has been away since 10:02"."""
    if readiness.liveness.is_standby:
        text = "; ".join([f"standing by, {readiness.who_leads}", *readiness.problems])
        return (text[:1].upper() + text[1:])[:_STATUS_CHARACTERS]
    tasks = sum(workload.polled_tasks.values()) if workload else None
    watching = [] if tasks is None else [f"watching {tasks} task{'' if tasks == 1 else 's'}"]
    text = "; ".join([*watching, *readiness.problems])
    return (text[:1].upper() + text[1:])[:_STATUS_CHARACTERS]
