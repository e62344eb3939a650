"""How the processes that share a database tell each other that they have written something.

A notification may be lost: whoever listens also reads the database from time to time.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import NoReturn, Protocol


class Topic(StrEnum):
    """What was written."""

    POLLING = "polling"  # which tasks to poll
    DELIVERY = "delivery"  # something to send
    ACCESS = "access"  # who may use the bot


class Notifications(Protocol):
    """The notifications of one process."""

    def send(self, topic: Topic) -> None:
        """Have run() notify the other processes; what was written is committed. No I/O."""
        ...

    async def run(self, heard: Callable[[Topic], None]) -> NoReturn:
        """Send and listen until cancelled; never fails.

        heard: called for each notification of another process; and for every topic once after each
        connection to the database, as notifications may have been lost before.
        """
        ...


class NoNotifications:
    """Of a process that shares its database with no other, or that none can reach."""

    def send(self, topic: Topic) -> None:
        """Do nothing."""

    async def run(self, heard: Callable[[Topic], None]) -> NoReturn:
        """Hear nothing to the end."""
        while True:
            await asyncio.Event().wait()
