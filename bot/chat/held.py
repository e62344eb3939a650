"""The updates that are not to be confirmed to Telegram yet, because their changes are not on disk."""

import asyncio


class HeldUpdates:
    """A set of update ids, each held until it is released."""

    def __init__(self) -> None:
        self._released: dict[int, asyncio.Event] = {}

    def hold(self, update_id: int) -> asyncio.Event:
        """Hold an update; return an event that is set on its release."""
        return self._released.setdefault(update_id, asyncio.Event())

    def release(self, update_id: int) -> None:
        """Release an update that is on disk or has failed; does nothing for one that is not held."""
        if released := self._released.pop(update_id, None):
            released.set()

    @property
    def first(self) -> int | None:
        """The lowest held update id; None if none is held."""
        return min(self._released, default=None)

    async def wait(self, timeout_s: float | None = None) -> None:
        """Wait until all updates held now are released, or until timeout_s has passed."""
        waits = [asyncio.ensure_future(released.wait()) for released in self._released.values()]
        try:
            if waits:
                await asyncio.wait(waits, timeout=timeout_s)
        finally:
            for wait in waits:
                wait.cancel()
