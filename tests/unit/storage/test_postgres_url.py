"""What is read from a PostgreSQL URL, and what of it is shown."""

import re

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


@pytest.mark.parametrize(
    "parameters", ["password=p%40ss&user=me", "sslkey=/a.pem&sslpassword=p%40ss&sslmode=verify-full"]
)
def test_passwords_among_the_parameters_are_secrets_too(parameters: str):
    url = PostgresUrl.of(f"postgresql://host/name?{parameters}")

    assert set(url.secrets) == {"p@ss", "p%40ss"}
    assert str(url) == "postgresql://host/name"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:word@host/name?search_path=bot", "postgresql://host/name (schema bot)"),
        ("postgresql:///name?host=/run/postgresql", "postgresql:///name (at /run/postgresql)"),
        ("postgresql://me@[::1]:5433/name", "postgresql://[::1]:5433/name"),
    ],
)
def test_what_tells_databases_apart_is_shown(url: str, shown: str):
    assert str(PostgresUrl.of(url)) == shown


def test_of_several_servers_one_that_takes_writes_is_wanted():
    url = PostgresUrl.of("postgresql://me:word@a:5432,b:5433/name")

    assert url.dsn == "postgresql://me:word@a:5432,b:5433/name?target_session_attrs=read-write"
    assert str(url) == "postgresql://a:5432,b:5433/name"
    assert PostgresUrl.of("postgresql://a,b/name?target_session_attrs=any").dsn.endswith("=any")


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
        "postgresql://me:[word@host/name",
        "postgresql://me:1/wo?rd@host/name",
        "postgresql://me:word@host/name?wo=rd&rd",
        "postgresql://me:word@host/name?sslmode=rd",
        "postgresql://me:word@host/name?pgbouncer=rd",
        "postgresql://me:word@host/name?search_path=",
        "postgresql://me:word@host/name?search_path=rd&pgbouncer=true",
    ],
)
def test_what_is_no_such_url_is_refused_without_being_shown(url: str):
    with pytest.raises(ValueError, match=r"^(is not|has )") as caught:
        PostgresUrl.of(url)

    assert not re.search(r"\brd|wo\b", str(caught.value))
    assert caught.value.__cause__ is None
