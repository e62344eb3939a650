"""python -m tests.bench: the program's cost, compared with other pollers."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.contest import Contest
from tests.bench.cost import FULL, PARTS, QUICK, Results
from tests.bench.processes import ROOT
from tests.bench.report import report

_PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- cost: begin -->", "<!-- cost: end -->"


def main() -> None:
    """Measure, print, and write the page if requested."""
    arguments = _parser().parse_args()
    results = asyncio.run(_measure(arguments))
    text = report(results, " ".join(["python -m tests.bench", *sys.argv[1:]]))
    print(text)
    if arguments.write:
        _write(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures what polling costs.")
    parser.add_argument("--only", action="append", choices=PARTS, help="one part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a smoke run: small, short, figures of no worth")
    parser.add_argument(
        "--python",
        type=lambda path: str(Path(path).absolute()),
        default=sys.executable,
        help="runs ours: one that has what the image has and no more",
    )
    parser.add_argument("--write", action="store_true", help=f"put the tables into {_PAGE.relative_to(ROOT)}")
    return parser


async def _measure(arguments: argparse.Namespace) -> Results:
    results = Results()
    with TemporaryDirectory(prefix="reelwatch-bench-") as folder:
        async with Contest.open(Path(folder), arguments.python) as contest:
            for name in arguments.only or PARTS:
                begun = time.monotonic()
                await PARTS[name](contest, QUICK if arguments.quick else FULL, results)
                print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return results


def _write(text: str) -> None:
    """Write the tables between the page's marks, or at its end if it has none."""
    page = _PAGE.read_text(encoding="utf-8") if _PAGE.exists() else "# What it costs\n"
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2] or "\n"
    _PAGE.write_text(f"{before.rstrip()}\n\n{_BEGIN}\n\n{text}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
