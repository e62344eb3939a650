"""The measurements as Markdown."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from tests.bench.cost import Results
from tests.bench.measurements import Contestant, Cost, Ends
from tests.bench.verbs import VERBS, VerbCost

_GOOD, _BAD = "reached", "**missed**"


def report(results: Results, command: str) -> str:
    """All tables of the measurements."""
    tables = [
        *_costs(results),
        *_fleets(results),
        *_starts(results),
        *_postgres(results),
        *_verbs(results),
        _goals(results),
    ]
    return "\n\n".join([_circumstances(command), *tables]) + "\n"


def _circumstances(command: str) -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    load = os.getloadavg()[1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d} · `{command}` · {os.cpu_count()} cores, {model} · "
        f"CPython {platform.python_version()} · load average {load:.1f} at the end: "
        "what else runs makes polls late and starts slow, and leaves ratios as they are."
    )


def _costs(results: Results) -> Iterator[str]:
    rows = []
    for who in Contestant:
        if (cost := results.saturated(who)) is not None:
            times = results.times_ours(who) or 1.0
            rows.append([who, cost.load.tasks, *_figures(cost), f"{times:.1f} ×"])
    if rows:
        yield "### As many polls as it can (median round)"
        yield _table(["program", "tasks", "polls/s", "CPU per poll", "of ours"], rows)
    if results.steady:
        first = results.steady[0].load
        ours = results.at_pace(Contestant.OURS)
        wanted = first.tasks / first.pace_s
        yield f"### {wanted:.0f} polls a second: {first.tasks} tasks every {first.pace_s:.0f} s"
        rows = [
            [
                cost.who,
                *_figures(cost),
                f"{cost.cpu_per_poll_s / ours.cpu_per_poll_s:.1f} ×" if ours else "",
                *_late(cost),
            ]
            for cost in results.steady
        ]
        yield _table(["program", "polls/s", "CPU per poll", "of ours", "late p50", "p95", "p99"], rows)


def _fleets(results: Results) -> Iterator[str]:
    if results.fleets:
        pace_s = results.fleets[0].load.pace_s
        yield f"### In flight, every {pace_s:.0f} s; ours keeps the cards up to date meanwhile"
        rows = [
            [
                cost.who,
                f"{cost.load.tasks:,}",
                f"{cost.polls_rps:.0f}",
                f"{cost.share:.0%}",
                f"{cost.rss_mb:.0f} MB",
                *_late(cost),
                f"{cost.calls / cost.span_s:.1f}",
            ]
            for cost in results.fleets
        ]
        heads = [
            "program",
            "tasks",
            "polls/s",
            "of one core",
            "RSS",
            "late p50",
            "p95",
            "p99",
            "Telegram calls/s",
        ]
        yield _table(heads, rows)
    if results.ends:
        yield "### From the response that shows the end to the call of Telegram and the video (p50 / p95)"
        yield _ends(results.ends)


def _ends(ends_by_tasks: Mapping[int, Ends]) -> str:
    rows = [
        [
            f"{tasks:,}",
            f"{len(ends.brought)}",
            f"{ends.missing}",
            _both(ends.unseen),
            _both(ends.called),
            _both(ends.brought),
        ]
        for tasks, ends in ends_by_tasks.items()
    ]
    heads = [
        "in flight",
        "videos",
        "missing",
        "end → polled",
        "polled → Telegram called",
        "polled → video there",
    ]
    return _table(heads, rows)


def _postgres(results: Results) -> Iterator[str]:
    if results.postgres_fleets:
        yield "### The same on PostgreSQL, on this machine as well"
        rows = [
            [
                f"{cost.load.tasks:,}",
                f"{cost.polls_rps:.0f}",
                f"{cost.share:.0%}",
                f"{cost.server_cpu_s / cost.span_s:.0%}",
                f"{cost.rss_mb:.0f} MB",
                *_late(cost),
            ]
            for cost in results.postgres_fleets
        ]
        heads = ["tasks", "polls/s", "of one core", "the server", "RSS", "late p50", "p95", "p99"]
        yield _table(heads, rows)
        yield _ends(results.postgres_ends)
    if (idle := results.idle) is not None:
        bots, server = (f"{cpu_s / idle.span_s:.1%}" for cpu_s in (idle.bots_cpu_s, idle.server_cpu_s))
        yield (
            f"{idle.replicas} replicas without tasks take {bots} of a core together and the server {server},"
            f" with {idle.transactions / idle.span_s:.1f} transactions a second; the largest uses"
            f" {idle.rss_mb:.0f} MB."
        )


def _verbs(results: Results) -> Iterator[str]:
    if results.verbs:
        yield "### An operation of the store: time, and processor time of the bot (mean)"
        rows = [[verb, *(_each(costs[verb]) for costs in results.verbs.values())] for verb in VERBS]
        yield _table(["operation", *results.verbs], rows)


def _starts(results: Results) -> Iterator[str]:
    if results.times_bare_start is not None:
        yield "### Start"
        yield "Ours to its first getUpdates; bare: python-telegram-bot's Application to its first getMe."
        rows = []
        for who, starts in (("bare", results.bare_starts), ("ours", results.starts)):
            took_s = [start.took_s for start in starts]
            cpu_s = median(start.cpu_s for start in starts)
            spread = f"{min(took_s):.2f} to {max(took_s):.2f} s"
            rows.append([who, len(took_s), f"{median(took_s):.2f} s", spread, f"{cpu_s:.2f} s"])
        yield _table(["program", "starts", "median", "from … to", "processor time"], rows)
        yield f"Ours uses {results.idle_rss_mb or 0:.0f} MB after 5 s of waiting."


def _goals(results: Results) -> str:
    rows = [
        [what, goal, found, _GOOD if is_reached else _BAD]
        for what, goal, found, is_reached in _judged(results)
    ]
    return f"### Goals\n\n{_table(['what', 'goal', 'measured', ''], rows)}"


def _judged(results: Results) -> Iterator[tuple[str, str, str, bool]]:
    for who, goal in ((Contestant.CAREFUL, 3.5), (Contestant.NAIVE, 40)):
        if (times := results.times_ours(who)) is not None:
            yield f"CPU per poll at saturation, *{who}* / ours", f"≥ {goal}", f"{times:.1f}", times >= goal
    careful, ours = results.at_pace(Contestant.CAREFUL), results.at_pace(Contestant.OURS)
    if careful and ours:
        part = ours.cpu_per_poll_s / careful.cpu_per_poll_s
        yield "CPU per poll at a given pace, ours / *careful*", "≤ 0.5", f"{part:.2f}", part <= 0.5
    if (many := results.fleet(10_000)) is not None:
        kept = many.polls_rps >= 0.95 * many.load.tasks / many.load.pace_s
        yield "10,000 tasks every 10 s: polls/s", "≥ 950", f"{many.polls_rps:.0f}", kept
        yield "… of one core", "≤ 60 %", f"{many.share:.0%}", kept and many.share <= 0.6
        yield "… RSS", "≤ 150 MB", f"{many.rss_mb:.0f} MB", many.rss_mb <= 150
        p99_s = many.late_s[2] if many.late_s else None
        yield "… lateness p99", "≤ 350 ms", _ms(p99_s), p99_s is not None and p99_s <= 0.35
    if (ends := results.ends.get(1_000)) is not None:
        yield _reported("1,000 tasks: polled → Telegram called, p95", ends)
    yield from _judged_on_postgres(results)
    if (times := results.times_bare_start) is not None:
        yield "start, ours / bare", "≤ 2", f"{times:.2f}", times <= 2
    if results.idle_rss_mb is not None:
        yield "idle RSS", "< 70 MB", f"{results.idle_rss_mb:.0f} MB", results.idle_rss_mb < 70


def _judged_on_postgres(results: Results) -> Iterator[tuple[str, str, str, bool]]:
    if (many := results.fleet(10_000, Contestant.ON_POSTGRES)) is not None:
        kept = many.polls_rps >= 0.95 * many.load.tasks / many.load.pace_s
        yield "PostgreSQL, 10,000 tasks every 10 s: polls/s", "≥ 950", f"{many.polls_rps:.0f}", kept
        yield "… of one core", "≤ 60 %", f"{many.share:.0%}", kept and many.share <= 0.6
        p99_s = many.late_s[2] if many.late_s else None
        yield "… lateness p99", "< 250 ms", _ms(p99_s), p99_s is not None and p99_s < 0.25
    if (ends := results.postgres_ends.get(1_000)) is not None:
        yield _reported("PostgreSQL, 1,000 tasks: polled → Telegram called, p95", ends)
    if (idle := results.idle) is not None:
        share = (idle.bots_cpu_s + idle.server_cpu_s) / idle.span_s
        rate = idle.transactions / idle.span_s
        yield (
            f"{idle.replicas} idle replicas and their server, of one core",
            "≤ 2 %",
            f"{share:.1%}",
            share <= 0.02,
        )
        yield "… transactions a second", "≤ 10", f"{rate:.1f}", rate <= 10


def _reported(what: str, ends: Ends) -> tuple[str, str, str, bool]:
    late_s = _p95(ends.called)
    return what, "< 300 ms", _ms(late_s), late_s < 0.3 and not ends.missing


def _figures(cost: Cost) -> tuple[str, str]:
    return f"{cost.polls_rps:.0f}", f"{cost.cpu_per_poll_s * 1e6:,.0f} µs"


def _late(cost: Cost) -> Iterator[str]:
    return map(_ms, cost.late_s or (None, None, None))


def _both(times_s: list[float]) -> str:
    return f"{_ms(median(times_s))} / {_ms(_p95(times_s))}" if times_s else "–"


def _p95(times_s: list[float]) -> float:
    return quantiles(times_s, n=20, method="inclusive")[18] if len(times_s) > 1 else float("inf")


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.0f} ms"


def _each(cost: VerbCost) -> str:
    return " / ".join(f"{s / max(cost.calls, 1) * 1e6:,.0f} µs" for s in (cost.wall_s, cost.cpu_s))


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
