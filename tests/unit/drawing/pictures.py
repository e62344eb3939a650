"""Contents for pictures."""

from bot.drawing.content import Days, FailureRow, Failures, StatsPicture, Tile, WaitRow, Waits

EMPTY = StatsPicture(
    title="Last 30 days",
    period="1 Nov – 30 Nov",
    tiles=[Tile(value="0", label=label, tone="good") for label in ("done", "failed", "watched", "to send")],
    days=None,
    waits=None,
    failures=None,
    note="No task has ended in these days.",
    footer="30 Nov 2026, 16:20 UTC+8",
)


def days(*bars: tuple[int, int]) -> Days:
    """Bars of these heights."""
    labels = [f"{number} Nov" for number in range(1, len(bars) + 1)]
    return Days(title="Tasks per day", succeeded="done", failed="failed", bars=list(bars), labels=labels)


def waits(*rows: tuple[str, float, float], left_out: str = "") -> Waits:
    """Rows of a name, a median and 90 %."""
    return Waits(
        title="How long tasks take",
        median="median",
        p90="90% within",
        rows=[
            WaitRow(name=name, median_s=median_s, p90_s=p90_s, median=f"{median_s} s", p90=f"{p90_s} s")
            for name, median_s, p90_s in rows
        ],
        ticks=[(1.0, "1 s"), (60.0, "1 min"), (3600.0, "1 h")],
        left_out=left_out,
    )


def failures(*rows: tuple[str, int]) -> Failures:
    """Rows of a label and a count."""
    return Failures(
        title="Why tasks failed",
        rows=[FailureRow(label=label, count=count, share="50%") for label, count in rows],
    )
