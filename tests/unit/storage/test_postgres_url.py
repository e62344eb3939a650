"""What is read from a PostgreSQL URL, and what of it is shown."""

import pytest

from storage.postgres_url import PostgresUrl

URL = "postgresql://me:p%40ss@db.example:5433/reelwatch?sslmode=require&pgbouncer=true"


def test_only_the_place_is_shown():
    url = PostgresUrl.of(URL)

    assert str(url) == "postgresql://db.example:5433/reelwatch"
    assert "p%40ss" not in repr(url)
    assert "p@ss" not in repr(url)


def test_the_password_is_a_secret_in_both_its_forms():
    assert set(PostgresUrl.of(URL).secrets) == {"p@ss", "p%40ss"}
    assert PostgresUrl.of("postgresql://me@host/name").secrets == ()


def test_the_parameter_of_ours_is_not_handed_on():
    url = PostgresUrl.of(URL)

    assert url.is_pooled
    assert url.dsn == "postgresql://me:p%40ss@db.example:5433/reelwatch?sslmode=require"
    assert not PostgresUrl.of("postgresql://host/name?pgbouncer=false").is_pooled


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:word@host/name",
        "postgresql://me:wo/rd@host/name",
        "postgresql://me:wo#rd@host/name",
        "postgresql://me:wo?rd@host/name",
        "postgresql://me:word@host:port/name",
        "postgresql://me:word@host:0/name",
        "postgresql://me:word@host",
    ],
)
def test_what_is_no_such_url_is_refused_without_being_shown(url: str):
    with pytest.raises(ValueError, match=r"^(is not|has a password)") as caught:
        PostgresUrl.of(url)

    assert "rd" not in str(caught.value).replace("password", "")
