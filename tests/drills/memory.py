"""Measures the bot's memory while it delivers a large video, which must stay on the disk."""

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.sample_video import make_video, with_free_box
from tests.drills.bot_processes import BotProcesses
from tests.drills.scene import DrillScene, Verdict

LIMIT_MB = 40.0
_ANNA, _BEN = 1000, 1001
_TICK_S = 0.005  # a probe takes some hundredths of a second at least
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A video, and how it is sent to Telegram."""

    video_mb: int
    by_path: bool  # Telegram's server runs with --local


LOADS = (Load(video_mb=49, by_path=False), Load(video_mb=300, by_path=True))
SHORT_LOADS = LOADS[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """A row of the table; resident memory in MB."""

    load: Load
    before_mb: float  # after a first, small video
    grew_mb: float  # peak over before_mb
    probe_mb: float  # peak of the probe's process
    verdict: Verdict

    @property
    def is_good(self) -> bool:
        """Whether the video arrived once and the growth is in bounds."""
        return self.verdict.is_good and self.grew_mb < LIMIT_MB


async def measure_memory(bot_processes: BotProcesses, load: Load) -> MemoryUse:
    """Let a bot deliver a small video and then a large one."""
    with tempfile.TemporaryDirectory() as folder:
        async with DrillScene.open(Path(folder), local=load.by_path) as scene:
            bot = await bot_processes.start(scene.settings, scene.folder)
            scene.watch("jimeng", _ANNA)
            await scene.settle()
            before_mb = _memory_mb(bot.pid, "VmRSS")
            # https://www.kernel.org/doc/html/latest/filesystems/proc.html: 5 resets the peak
            Path(f"/proc/{bot.pid}/clear_refs").write_text("5", encoding="ascii")

            heavy = scene.watch("jimeng", _BEN)
            heavy.task.served.content = with_free_box(
                make_video(), bytes(load.video_mb * 1_000_000 - 100_000)
            )
            watching = asyncio.create_task(_heaviest_child_mb(bot.pid, scene))
            await scene.settle(patience_s=_PATIENCE_S)
            peak_mb = _memory_mb(bot.pid, "VmHWM")
            probe_mb = await watching
            assert await bot.stop() == 0, bot.log.read_text(encoding="utf-8")
            return MemoryUse(
                load=load,
                before_mb=before_mb,
                grew_mb=peak_mb - before_mb,
                probe_mb=probe_mb,
                verdict=scene.verdict(),
            )


async def _heaviest_child_mb(pid: int, scene: DrillScene) -> float:
    """The peak memory of any child process until all videos are delivered."""
    heaviest_mb = 0.0
    async with asyncio.timeout(_PATIENCE_S):
        while not scene.is_settled():
            for child in _descendants(pid):
                with contextlib.suppress(OSError, LookupError):  # it has ended meanwhile
                    heaviest_mb = max(heaviest_mb, _memory_mb(child, "VmHWM"))
            await asyncio.sleep(_TICK_S)
    return heaviest_mb


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, path.read_text(encoding="ascii").split())
    return found + [grandchild for child in found for grandchild in _descendants(child)]


def _memory_mb(pid: int, field: str) -> float:
    """VmRSS: current; VmHWM: peak."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = dict(line.split(":", 1) for line in status.splitlines())
    return int(found[field].split()[0]) * 1024 / 1_000_000
