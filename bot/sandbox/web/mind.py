"""What the bot knows and plans: from its database, and its pages of health and metrics."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import aiohttp

Json = dict[str, Any]
ReadDatabase = Callable[[], Json]  # may take a moment; raises OSError while there is none

_TIMEOUT = aiohttp.ClientTimeout(total=2.0)
_KEY_LIMIT = re.compile(
    r'^reelwatch_key_limit_requests_per_second\{key_group="([^"]*)"\} (\S+)$', re.MULTILINE
)


class Mind:
    """Reads the bot's state; what can't be read is left out."""

    def __init__(self, read_database: ReadDatabase, health_url: str) -> None:
        """health_url: of the bot's pages of health and metrics, without a slash at its end."""
        self._read_database = read_database
        self._health_url = health_url

    async def read(self) -> Json:
        """Tasks, deliveries, what was learned, the keys' limits, and what is wrong."""
        try:
            database = await asyncio.to_thread(self._read_database)
        except OSError:
            database = {}
        return {**database, **await self._pages()}

    async def _pages(self) -> Json:
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                async with session.get(f"{self._health_url}/readyz") as response:
                    health = await response.json()
                async with session.get(f"{self._health_url}/metrics") as response:
                    metrics = await response.text()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return {}
        keys = [{"name": name, "limit": limit} for name, limit in _KEY_LIMIT.findall(metrics)]
        return {"keys": keys, "problems": [] if health.get("ok") else [str(health.get("summary", ""))]}
