"""What /health shows, with a word for whatever differs from a bot that is well."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.messages.views.health_status import GatewayHealth, Health
from storage.figures import Workload
from tests.fakes.clock import NOON

IDLE = Workload(
    polled_tasks={}, watching_chats=0, waiting_deliveries=0, waiting_since=None, database_bytes=200_000
)
WELL = Health(
    version="1.2.3",
    started_at=NOON - timedelta(hours=3),
    telegram_since=None,
    database="ok",
    hung_loops=(),
    gateways=(),
    workload=IDLE,
    free_bytes=41_000_000_000,
)


def gateway(status: str = "up", **facts: Any) -> GatewayHealth:
    """A key at a gateway."""
    is_bad = status not in {"up", "unknown"}
    known: dict[str, Any] = {
        "names": ("wan",),
        "host": "gw.example",
        "status": status,
        "is_bad": is_bad,
        "since": NOON,
        "detail": None,
        "waiting": 0,
    }
    return GatewayHealth(**known | facts)


def health_with(**facts: Any) -> Health:
    """A bot that is well but for these facts."""
    return replace(WELL, **facts)
