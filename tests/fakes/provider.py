"""A provider with scripted results."""

import asyncio
from collections.abc import Mapping, Sequence

from bot.providers.base import MediaSource, Provider
from storage.models import Media, Snapshot

Response = Snapshot | Exception


class ScriptedProvider(Provider):
    """Returns an id's scripted results in order, and repeats the last one.

    An exception is raised; an id without results fails the test. While `gate` is clear, calls wait.
    """

    def __init__(self, results: Mapping[str, Sequence[Response]], *, name: str = "wan") -> None:
        self.name = name
        self.polled: list[str] = []  # ids, in the order of the calls
        self.gate = asyncio.Event()
        self.gate.set()
        self.elsewhere: dict[str, Snapshot] = {}  # snapshots of the other endpoint by id
        self.polled_elsewhere: list[str] = []
        self.waiting = 0  # calls that wait at the gate
        self.results = {external_id: list(script) for external_id, script in results.items()}

    async def fetch(self, external_id: str, *, is_counted: bool = False) -> Snapshot:
        assert is_counted, "the scheduler has counted the poll, so it must not wait for the rate limit again"
        self.polled.append(external_id)
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        script = self.results[external_id]
        result = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(result, Exception):
            raise result
        return result

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        self.polled_elsewhere.append(external_id)
        return self.elsewhere.get(external_id)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        raise AssertionError(f"the video of {external_id} was requested")
