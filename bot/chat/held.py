"""The updates that must not be confirmed to Telegram yet, since what they ask for is not on disk."""

import asyncio


class HeldUpdates:
    """Update ids, each held until it is released."""

    def __init__(self) -> None:
        self._released: dict[int, asyncio.Event] = {}

    def hold(self, update_id: int) -> asyncio.Event:
        """Hold an update; the event is set when it is released."""
        return self._released.setdefault(update_id, asyncio.Event())

    def release(self, update_id: int) -> None:
        """What the update asks for is on disk, or has failed; harmless for one that is not held."""
        if released := self._released.pop(update_id, None):
            released.set()

    @property
    def first(self) -> int | None:
        """The first update that is held."""
        return min(self._released, default=None)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until none of those that are held now is held any more, or so many seconds."""
        waits = [asyncio.ensure_future(released.wait()) for released in self._released.values()]
        try:
            if waits:
                await asyncio.wait(waits, timeout=timeout_s)
        finally:
            for wait in waits:
                wait.cancel()
