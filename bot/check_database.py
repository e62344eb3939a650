"""What `check` shows about the database, which only the start of the bot makes or migrates."""

from pathlib import Path

from bot import file_modes
from storage.contents import ServerSummary, Summary
from storage.errors import StoreError
from storage.factory import schema_version, summary_of, summary_of_server
from storage.postgres_url import PostgresUrl

OK, WARN, ERROR = "ok", "warn", "error"
Row = tuple[str, str, str]  # what was tested; OK, WARN or ERROR; the outcome

_SLOW_S = 0.002  # a change takes several round trips

_NOBODY = "people", WARN, "nobody may use the bot yet; its log shows a /start code"


async def database_rows(database: Path | PostgresUrl, *, shown: str, names_people: bool) -> list[Row]:
    """The database, and who may use the bot.

    shown: the database as it is set. names_people: whether the settings let anybody use the bot.
    """
    found: Summary | None
    try:
        if isinstance(database, PostgresUrl):
            rows, found = await _on_server(database)
        else:
            rows, found = _in_file(database, shown)
    except (StoreError, OSError) as error:
        return [("database", ERROR, str(error))]
    if found and (found.admins or found.allowed):
        admins = ", ".join(map(str, sorted(found.admins))) or "none"
        rows.append(("people", OK, f"admin by a /start code: {admins}; let in by admins: {found.allowed}"))
    elif not names_people:
        rows.append(_NOBODY)
    return rows


async def _on_server(url: PostgresUrl) -> tuple[list[Row], Summary]:
    found = await summary_of_server(url)
    return server_rows(found, shown=str(url), newest=schema_version(url)), found


def server_rows(found: ServerSummary, *, shown: str, newest: int) -> list[Row]:
    """What is told of a server that can be used; newest: the schema that the program migrates to."""
    outcome = f"{shown}, PostgreSQL {found.server}"
    if not found.schema:
        outcome += "; the first start makes the tables"
    elif found.schema < newest:
        outcome += f"; the next leader migrates it from schema {found.schema} to {newest}"
    trip = f"{found.round_trip_s * 1000:.2g} ms for a round trip"
    if found.round_trip_s > _SLOW_S:
        trip += ", which makes every change slow; run the bot nearer to its database, for less than 2 ms"
    return [
        ("database", OK, outcome),
        ("latency", WARN if found.round_trip_s > _SLOW_S else OK, trip),
        ("replicas", OK, f"{found.leader or 'none'} leads; standing by: {found.standbys}"),
    ]


def _in_file(file: Path, shown: str) -> tuple[list[Row], Summary | None]:
    found = summary_of(file)
    if found is None:
        problem = file_modes.why_no_database(file)
        outcome = problem or f"{shown}; the first start makes it"
        return [("database", ERROR if problem else OK, outcome)], None
    outcome = shown
    if found.schema < schema_version(file):
        outcome += f"; the next start migrates it from schema {found.schema} to {schema_version(file)}"
    return [("database", OK, outcome)], found
