"""The content of the picture of /stats: numbers, and texts in the reader's language. JSON for the worker."""

from typing import TypedDict


class Tile(TypedDict):
    """A number that counts at the moment or for the whole period."""

    value: str
    label: str
    tone: str  # a name in canvas.TONES


class Days(TypedDict):
    """Two counts per day, as stacked bars."""

    title: str
    succeeded: str  # what the lower part of a bar counts
    failed: str  # and the upper one
    bars: list[tuple[int, int]]  # succeeded and failed, oldest day first
    labels: list[str]  # of each day; only some are drawn


class WaitRow(TypedDict):
    """The waits of one provider: seconds, and the same as text."""

    name: str
    median_s: float
    p90_s: float
    median: str
    p90: str


class Waits(TypedDict):
    """Waits per provider, on a logarithmic axis."""

    title: str
    median: str  # the headings of the two columns
    p90: str
    rows: list[WaitRow]
    ticks: list[tuple[float, str]]  # seconds and text; the first and the last are the ends of the axis
    left_out: str  # how many providers are not shown; "": none


class FailureRow(TypedDict):
    """How often one cause occurred."""

    label: str
    count: int
    share: str  # of all failures


class Failures(TypedDict):
    """Failures by cause, as bars."""

    title: str
    rows: list[FailureRow]


class StatsPicture(TypedDict):
    """The whole picture; a part that is None is left out."""

    title: str
    period: str
    tiles: list[Tile]
    days: Days | None
    waits: Waits | None
    failures: Failures | None
    note: str  # instead of the parts, where there is nothing to show; "": none
    footer: str
