"""Runs a real Prometheus that scrapes one target."""

import asyncio
import math
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.ports import free_port
from tests.repo.tree import text

_AGAIN_S = 0.1  # between two looks at what it has scraped

_CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: reelwatch
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of a response."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=parameters) as response:
            body = await response.json()
            assert body["status"] == "success", body
            return body["data"]

    async def values(self, query: str) -> list[float]:
        """The values of a query now, without those that are no numbers."""
        found = await self.get("query", query=query)
        values = [float(each["value"][1]) for each in found["result"]]
        return [value for value in values if not math.isnan(value)]

    async def until(self, query: str) -> None:
        """Wait until a query has a value other than 0."""
        while not any(await self.values(query)):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(_AGAIN_S)


@asynccontextmanager
async def prometheus(folder: Path, *, target: str) -> AsyncIterator[Prometheus]:
    """Start it with the alert rules, which fire without a delay here; it scrapes every second."""
    (folder / "prometheus.yml").write_text(_CONFIG.format(target=target))
    (folder / "alerts.yaml").write_text(re.sub(r"\bfor: \w+", "for: 0s", text("docs/alerts.yaml")))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            server = Prometheus(session, port)
            assert process.stderr is not None
            async for line in process.stderr:
                if b"ready to receive web requests" in line:
                    break
            draining = asyncio.create_task(process.stderr.read())
            yield server
            draining.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
