"""What `check` shows about a database on a PostgreSQL server."""

import pytest

from bot.check_database import ERROR, OK, WARN, Row, database_rows, server_rows
from storage.contents import ServerSummary
from storage.postgres_url import PostgresUrl


def rows(*, schema: int = 3, round_trip_s: float = 0.0004) -> list[Row]:
    found = ServerSummary(
        schema=schema, admins=frozenset(), allowed=0, server="18.6", round_trip_s=round_trip_s
    )
    return server_rows(found, shown="postgresql://db/name", newest=3)


def test_a_server_that_is_near_is_fine():
    assert rows() == [
        ("database", OK, "postgresql://db/name, PostgreSQL 18.6"),
        ("latency", OK, "0.4 ms for a round trip"),
        ("replicas", OK, "none leads; standing by: 0"),
    ]


@pytest.mark.parametrize(
    ("schema", "end"),
    [
        (0, "; the first start makes the tables"),
        (2, "; the next leader migrates it from schema 2 to 3"),
    ],
)
def test_what_the_start_will_do_is_told(schema: int, end: str):
    assert rows(schema=schema)[0] == ("database", OK, f"postgresql://db/name, PostgreSQL 18.6{end}")


def test_a_server_that_is_far_is_warned_of():
    what, state, outcome = rows(round_trip_s=0.0251)[1]

    assert (what, state) == ("latency", WARN)
    assert outcome.startswith("25 ms for a round trip, which makes every change slow;")


async def test_a_server_that_is_away_is_an_error_without_the_password():
    url = PostgresUrl.of("postgresql://me:hunter2@127.0.0.1:1/name")
    [(what, state, outcome)] = await database_rows(url, shown=str(url), names_people=False)

    assert (what, state) == ("database", ERROR)
    assert outcome == "The database postgresql://127.0.0.1:1/name cannot be reached: Connection refused."
