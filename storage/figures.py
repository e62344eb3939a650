"""What the store measures for /metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.models import Stats
from storage.outbox import DeliveryPriority


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The sizes and ages of what the database holds."""

    stats: Stats
    waiting_since: Mapping[DeliveryPriority, datetime]  # of the oldest delivery that could be sent, if any
    open_lookups: int
    bytes: int  # on disk
