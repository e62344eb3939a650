"""A real Prometheus scrapes the real bot under traffic, and every query of the dashboard has data."""

from pathlib import Path

from bot.sandbox.faults import json_response
from bot.sandbox.ports import free_port
from bot.sandbox.telegram.api_errors import flood
from tests.e2e.scene import Scene
from tests.programs import needs
from tests.prometheus import queries
from tests.prometheus.server import Prometheus, prometheus

TOO_MANY = json_response(429, {"error": {"message": "saturated"}}, {"Retry-After": "1"})


class Traffic:
    """A task of each kind and one that fails, polls and calls that are refused as too many, a refused key."""

    def __init__(self, scene: Scene) -> None:
        """Send the commands."""
        self._scene, self._anna = scene, scene.add_user()
        self._tasks = [scene.task(kind) for kind in ("alibailian", "newapi", "jimeng", "videos")]
        self._failed = scene.task("newapi", fails="no reason")
        scene.gateway.fail(self._tasks[0].task_id, TOO_MANY)
        scene.telegram.fail("sendMessage", flood(1))
        self._commands = [
            scene.telegram.send(self._anna, f"/watch {task.kind} {task.task_id}")
            for task in (*self._tasks, self._failed)
        ]
        for number in range(2):
            scene.telegram.send(scene.add_user(), f"/watch broken video_{number:032}")

    async def finish(self) -> None:
        """Finish all tasks, and wait for a video of each provider."""
        for task in (*self._tasks, self._failed):
            self._scene.finish(task)
            self._scene.telegram.send(self._anna, f"/status {task.task_id}")  # polls now
        for command_id in self._commands[: len(self._tasks)]:
            await self._scene.until_video(self._anna, command_id)


OF_REPLICAS = {"reelwatch_leader", "reelwatch_leader_epoch", "reelwatch_database_round_trip_seconds"}


async def queries_without_data(server: Prometheus) -> list[str]:
    """The titles of the dashboard's panels with a query that finds nothing, though this bot has SQLite."""
    return [
        title
        for title, query, _ in queries.dashboard_queries(interval="1m")
        if not (queries.metrics_in(query) & OF_REPLICAS or await server.values(query))
    ]


@needs("prometheus")
async def test_a_real_prometheus_has_data_for_every_query_and_raises_an_alert(tmp_path: Path):
    port = free_port()
    async with Scene.open(
        tmp_path,
        HEALTH_PORT=str(port),
        PROVIDERS__BROKEN__KIND="videos",
        PROVIDERS__BROKEN__API_KEY="sk-of-somebody-else",
    ) as scene:
        await scene.start_bot()
        async with prometheus(tmp_path, target=f"127.0.0.1:{port}") as server:
            traffic = Traffic(scene)
            await server.until('up{job="reelwatch"}')
            await traffic.finish()
            await server.until("sum(increase(reelwatch_video_delay_seconds_count[1h])) > 2")
            await server.until('reelwatch_telegram_calls_total{outcome="flood_wait"}')
            await server.until('reelwatch_poll_failures_total{cause="rate_limited"}')
            await server.until('ALERTS{alertname="ReelwatchKeyRefused",alertstate="firing"}')

            assert await queries_without_data(server) == []
            [group] = (await server.get("rules"))["groups"]
            assert len(group["rules"]) == len(queries.alerts())
            assert {rule["health"] for rule in group["rules"]} == {"ok"}
            [target] = (await server.get("targets"))["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
