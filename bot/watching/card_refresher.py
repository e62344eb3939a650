"""Refreshes cards: once each when their gateway went down or recovered, and when they are a minute old.

A card shows for how long the task has been running, and whether its gateway can be polled. While a gateway
is away, only single probes are sent, so most of its tasks have no event that would edit their cards.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport
from storage.errors import LeadershipLost, StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_INTERVAL_S = 2.0
_AGE = timedelta(seconds=55)  # cards show elapsed minutes
_BATCH = 8  # at most four cards per second
_CHANGED_BATCH = 16  # the same, of all gateways that went down or recovered: a third of Telegram's limit


class CardRefresher:
    """Enqueues edits of cards, a few at a time, however many there are."""

    def __init__(
        self,
        store: Store,
        gateways: Callable[[], Sequence[GatewayReport]],
        *,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
    ) -> None:
        """gateways: the state of each. notify: wakes the delivery worker."""
        self._store = store
        self._gateways = gateways
        self._clock = clock
        self._notify = notify
        self._shown: dict[str, datetime] = {}  # gateway → found_at of the state that all its cards show

    async def run(self, telemetry: Telemetry) -> None:
        """Refresh every _INTERVAL_S until cancelled."""
        while True:
            await telemetry.sleep("cards", _INTERVAL_S)
            try:
                await self.refresh()
            except LeadershipLost:
                raise
            except StoreError as error:
                log.debug("Cards are refreshed later: %s", error)  # polling logs it

    async def refresh(self) -> None:
        """Enqueue the next edits; raises StoreError."""
        now = self._clock()
        is_any = await self._refresh_changed(now)
        if await self._store.refresh_cards(older_than=now - _AGE, limit=_BATCH, at=now) or is_any:
            self._notify()

    async def _refresh_changed(self, now: datetime) -> bool:
        """Refresh the cards that were sent before the present state of their gateway was found out."""
        changed = [
            (gateway, gateway.found_at)
            for gateway in self._gateways()
            if gateway.found_at is not None and self._shown.get(gateway.id) != gateway.found_at
        ]
        for gateway, found_at in changed:
            limit = max(1, _CHANGED_BATCH // len(changed))
            if not await self._store.refresh_cards_of(
                gateway.names, sent_before=found_at, limit=limit, at=now
            ):
                self._shown[gateway.id] = found_at
        return bool(changed)
