"""The environment of a drill with replicas: a PostgreSQL server, three bots, both fake servers, watches."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from bot.sandbox.telegram.events import BotEdited, BotSent
from tests.drills.replica import Replica
from tests.drills.scene import PATIENCE_S, DrillScene, SentWatch
from tests.e2e.database import SceneDatabase
from tests.fakes.relay import Relay
from tests.postgres.server import Server, run_server, wheel

REPLICAS = 3
BOOT_S = 30.0
_PASSWORD = "pass%20word-of-the-drills"
_TICK_S = 0.02
_SETTLE_TICK_S = 0.3
_TOLD = "my database"  # in what a user is told whose command could not be stored

Key = tuple[int, int]  # a chat and the message of a /watch


class ReplicaScene(DrillScene):
    """Both servers, the database's server, the replicas, and the users' watches."""

    def __init__(self, folder: Path, server: Server, **settings: str) -> None:
        # Only a local Bot API server sends updates to loopback.
        super().__init__(folder, SceneDatabase(server.url), local="WEBHOOK_URL" in settings, **settings)
        self.server = server
        self.replicas: list[Replica] = []
        self.module = "bot"  # that Python runs
        self.variables: list[Mapping[str, str]] = [
            {} for _ in range(REPLICAS)
        ]  # of each replica's environment
        self._videos_at: dict[Key, float] = {}

    def settings_of(self, replica: Replica) -> dict[str, str]:
        """Its environment variables."""
        host = f"127.0.0.1:{replica.database.port}"
        return self.settings | {
            "DATABASE_URL": f"postgresql://postgres:{_PASSWORD}@{host}/postgres",
            "TELEGRAM_API_URL": f"http://127.0.0.1:{replica.telegram.port}",
            "HEALTH_PORT": str(replica.health_port),
        }

    async def start(self, replica: Replica) -> None:
        """Start its process."""
        await replica.start(
            self.settings_of(replica), module=self.module, variables=self.variables[replica.number]
        )

    async def start_all(self) -> Replica:
        """Start all processes, and return the one that leads."""
        for replica in self.replicas:
            await self.start(replica)
        await self.taken_over(0.0)
        return await self.leader()

    async def leader(self, *, timeout_s: float = BOOT_S) -> Replica:
        """The replica that says that it leads; waited for."""
        async with asyncio.timeout(timeout_s):
            while True:
                roles = await asyncio.gather(*(each.role() for each in self.replicas))
                if "leader" in roles:
                    return self.replicas[roles.index("leader")]
                await asyncio.sleep(_TICK_S)

    async def is_standby(self, replica: Replica, *, timeout_s: float = BOOT_S) -> None:
        """Wait until the replica stands by, started again if it has ended."""
        async with asyncio.timeout(timeout_s):
            while await replica.role() != "standby":
                if not replica.is_running:
                    await self.start(replica)
                await asyncio.sleep(_TICK_S)

    async def taken_over(
        self, since: float, *, loser: Replica | None = None, timeout_s: float = BOOT_S
    ) -> float:
        """Wait until another replica than the loser takes updates; return the seconds since that time."""
        async with asyncio.timeout(timeout_s):
            while True:
                for each in self.replicas:
                    at = next((at for at in each.telegram.marks_at if at > since), None)
                    if each is not loser and at is not None:
                        return at - since
                await asyncio.sleep(_TICK_S)

    async def stop_all(self, *, slack_s: float = 0.0) -> Mapping[Replica, int | None]:
        """Send SIGTERM to all at once; the exit statuses, None for one that takes over ten seconds."""
        statuses = await asyncio.gather(*(each.stop(slack_s=slack_s) for each in self.replicas))
        return dict(zip(self.replicas, statuses, strict=True))

    async def settle(self, *, patience_s: float = PATIENCE_S, with_cards: bool = True) -> None:
        """Wait until every watch has a video and a final card, or the timeout ends."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            await self.note_abandoned()
            if self.is_settled() if with_cards else self.is_delivered():
                return
            await asyncio.sleep(_SETTLE_TICK_S)

    async def wait_for_reply(self, watch: SentWatch, *, timeout_s: float) -> None:
        """Wait for the first reply to a /watch."""
        await self.telegram.wait_for(
            lambda: any(m.reply_to == watch.message_id for m in self.telegram.messages(watch.chat_id)),
            timeout_s=timeout_s,
        )

    async def wait_for_text(self, chat_id: int, words: str, *, timeout_s: float = BOOT_S) -> None:
        """Wait for a message with these words."""
        await self.telegram.wait_for(
            lambda: any(words in message.plain_text for message in self.telegram.messages(chat_id)),
            timeout_s=timeout_s,
        )

    def told(self) -> list[str]:
        """What users were told about a database that can't be reached."""
        return [
            message.plain_text
            for chat_id in {watch.chat_id for watch in self.watches}
            for message in self.telegram.messages(chat_id)
            if message.from_bot and _TOLD in message.plain_text
        ]

    def longest_without_updates_s(self) -> float:
        """The longest time that a command has waited for a request for updates."""
        polls_at = [each.at for each in self.telegram.requests if each.method == "getUpdates"]
        waits_s = [
            next((at for at in polls_at if at >= each.sent_at), each.sent_at) - each.sent_at
            for each in self.watches
        ]
        return max(waits_s, default=0.0)

    async def note_videos(self) -> None:
        """Note when each video arrives, until cancelled."""
        events = self.telegram.subscribe()
        while True:
            event = await events.get()
            if isinstance(event, BotSent | BotEdited) and event.message.video and event.message.reply_to:
                key = (event.message.chat_id, event.message.reply_to)
                self._videos_at.setdefault(key, time.time())

    def latencies_s(self) -> list[float]:
        """From the end of each task to its video."""
        return [
            self._videos_at[key] - each.task.ends_at
            for each in self.watches
            if (key := (each.chat_id, each.message_id)) in self._videos_at
        ]

    def leaks(self) -> bool:
        """Whether a log holds the database's password."""
        return self.is_logged(_PASSWORD) or self.is_logged(_PASSWORD.replace("%20", " "))

    def is_logged(self, words: str) -> bool:
        """Whether a replica has logged these words."""
        return any(each.log.exists() and words in each.log.read_text("utf-8") for each in self.replicas)


@asynccontextmanager
async def open_replicas(**settings: str) -> AsyncIterator[ReplicaScene]:
    """A scene in a folder of its own; at the end all processes are killed."""
    package = wheel()
    assert package is not None, "there is no PostgreSQL for this platform"
    with ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory()))
        server = await asyncio.to_thread(servers.enter_context, run_server(package))
        scene = ReplicaScene(folder, server, **settings)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            await scene.telegram.start()
            stack.push_async_callback(scene.telegram.stop)
            await scene.gateway.start()
            stack.push_async_callback(scene.gateway.stop)
            socket = server.folder / ".s.PGSQL.5432"
            telegram = "127.0.0.1", int(scene.telegram.url.rpartition(":")[2])
            for number in range(REPLICAS):
                replica = Replica(
                    number,
                    folder,
                    database=await stack.enter_async_context(Relay.open(socket)),
                    telegram=await stack.enter_async_context(Relay.open(telegram, mark=b"/getUpdates")),
                    session=session,
                )
                scene.replicas.append(replica)
            noting = asyncio.create_task(scene.note_videos())
            try:
                yield scene
            finally:
                noting.cancel()
                await asyncio.gather(*(each.kill() for each in scene.replicas if each.is_running))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values is; 0 of none."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0
