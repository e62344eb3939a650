"""Notifications by LISTEN and NOTIFY, over a connection of their own.

https://www.postgresql.org/docs/current/sql-notify.html
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import asyncpg

from storage.errors import StoreError
from storage.notifications import Topic
from storage.postgres.connecting import Connection, connect, explained
from storage.postgres_url import PostgresUrl

_RECONNECT_S = 1.0
_CHECK_S = 10.0  # a connection that was cut without a word is noticed by the next statement
# Channels belong to the whole database, which may have several schemas with a bot each.
_CHANNEL = "SELECT 'reelwatch_' || md5(current_schema())"


class PostgresNotifications:
    """Notifications among the processes that use the same schema; not through pgbouncer, which drops them."""

    def __init__(
        self, url: PostgresUrl, *, check_s: float = _CHECK_S, reconnect_s: float = _RECONNECT_S
    ) -> None:
        """Nothing is connected before run().

        check_s: between two checks of a connection without traffic. reconnect_s: after a lost one.
        """
        self._url = url
        self._check_s = check_s
        self._reconnect_s = reconnect_s
        self._unsent: set[Topic] = set()
        self._wakeup = asyncio.Event()

    def send(self, topic: Topic) -> None:
        """Have run() notify the other processes; several calls may become one notification."""
        self._unsent.add(topic)
        self._wakeup.set()

    async def run(self, heard: Callable[[Topic], None]) -> NoReturn:
        """Send and listen until cancelled; a lost connection is replaced."""
        while True:
            with suppress(StoreError, asyncpg.PostgresError), explained(self._url):
                connection = await connect(self._url)
                try:
                    await self._run(connection, heard)
                finally:
                    connection.terminate()  # nothing is lost that the next connection does not make good
            await asyncio.sleep(self._reconnect_s)

    async def _run(self, connection: Connection, heard: Callable[[Topic], None]) -> None:
        """Send and listen until the connection ends."""

        def on_notification(_: object, pid: int, __: str, payload: object) -> None:
            if pid != connection.get_server_pid() and payload in tuple(Topic):
                heard(Topic(str(payload)))

        channel = str(await connection.fetchval(_CHANNEL))
        await connection.add_listener(channel, on_notification)
        connection.add_termination_listener(lambda _: self._wakeup.set())
        for topic in Topic:
            heard(topic)
        while not connection.is_closed():
            self._wakeup.clear()
            unsent, self._unsent = self._unsent, set()
            try:
                for topic in tuple(unsent):
                    await connection.execute("SELECT pg_notify($1, $2)", channel, topic)
                    unsent.discard(topic)
            finally:
                self._unsent |= unsent  # the next connection sends them
            try:
                async with asyncio.timeout(self._check_s):
                    await self._wakeup.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
