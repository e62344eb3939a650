"""A gateway that says what a test puts into its mouth."""

import asyncio
from collections.abc import Mapping, Sequence

from bot.providers.base import MediaSource, Provider
from storage.models import Media, Snapshot

Response = Snapshot | Exception


class ScriptedProvider(Provider):
    """Answers each question about an id with its next answer, the last one again and again.

    An exception is raised; an id without answers fails the test. While `gate` is clear, questions wait.
    """

    def __init__(
        self, answers: Mapping[str, Sequence[Response]], *, name: str = "wan", kind: str = "alibailian"
    ) -> None:
        self.name = name
        self.kind = kind
        self.host = "gateway.example"
        self.asked: list[str] = []  # ids, in the order of the questions
        self.gate = asyncio.Event()
        self.gate.set()
        self.elsewhere: dict[str, Snapshot] = {}  # what another path says of an id
        self.asked_elsewhere: list[str] = []
        self.waiting = 0  # questions that the gate holds up
        self.answers = {external_id: list(script) for external_id, script in answers.items()}

    async def fetch(self, external_id: str) -> Snapshot:
        self.asked.append(external_id)
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        script = self.answers[external_id]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def fetch_elsewhere(self, external_id: str) -> Snapshot | None:
        self.asked_elsewhere.append(external_id)
        return self.elsewhere.get(external_id)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        raise AssertionError(f"nobody here fetches the video of {external_id}")
