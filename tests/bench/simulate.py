"""The schedule against its goals, with fixed seeds: python -m tests.bench.simulate."""

import argparse
import sys
import time
from collections.abc import Iterator

from tests.bench.simulation import alone_cases, broken_cases, figure_cases, shared_cases
from tests.bench.simulation.row import Row


def rows() -> Iterator[Row]:
    """Every goal, as it is measured."""
    yield from alone_cases.cases()
    yield from figure_cases.cases()
    yield from shared_cases.cases()
    yield from broken_cases.cases()


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    seeds = _parser().parse_args().seeds
    began = time.monotonic()
    print("| case | measure | ours | round robin | bound | goal | |")
    print("|---|---|---|---|---|---|---|")
    missed = 0
    for row in shared_cases.fresh(seeds) if seeds else rows():
        cells = (row.case, row.measure, row.ours, row.peer, row.bound, row.goal)
        print(f"| {' | '.join(cells)} | {_verdict(row)} |", flush=True)
        missed += not row.passed
    if not seeds:
        print("\nWith no cap, mean over the six models: delay, polls, both")
        for line in alone_cases.baselines():
            print(line, flush=True)
    print(f"\n{missed} goals missed; {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.simulate", description="Measures the schedule against its goals."
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="only 1,000 in flight against the bound, with each of these"
    )
    return parser


def _verdict(row: Row) -> str:
    if not row.goal:
        return ""
    return "pass" if row.passed else "FAIL"


if __name__ == "__main__":
    sys.exit(main())
