"""Runs `python -m bot demo` with its page."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.program import command, environment

_TOUR_S = 90.0
_TICK_S = 0.05


@dataclass(slots=True)
class Demo:
    """A running demo."""

    process: "subprocess.Popen[bytes]"
    output: Path
    address: str = ""

    def printed(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, pattern: str, *, timeout_s: float) -> str:
        """The first text printed that matches."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(pattern, self.printed()):
                return found[0]
            time.sleep(_TICK_S)
        raise AssertionError(self.printed())

    def wait_for_the_tour(self) -> None:
        """Wait until the tour is over."""
        self.wait_for("arrived exactly once", timeout_s=_TOUR_S)


@contextmanager
def running_demo() -> Iterator[Demo]:
    """The demo, from before the tour to its interactive mode; its page listens on any port."""
    with TemporaryDirectory(prefix="reelwatch-demo-test-") as folder:
        output = Path(folder, "output")
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*command("demo"), "--port", "0"],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment({}),
            )
        try:
            demo = Demo(process, output)
            demo.address = demo.wait_for(r"http://127\.0\.0\.1:\d+", timeout_s=30)
            yield demo
        finally:
            process.terminate()
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=20)
