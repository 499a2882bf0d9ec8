"""The URL of a PostgreSQL journal."""

from __future__ import annotations

import pytest

from hereabouts.errors import ConfigError
from hereabouts.journal.opening import shown
from hereabouts.journal.postgres_address import is_postgres, read_address


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://db/app", "postgresql://db/app"),
        ("postgres://ada@db:5432/app", "postgres://ada@db:5432/app"),
        ("postgresql://ada:s3cret@db/app", "postgresql://ada@db/app"),
        ("postgresql://ada:a%40s3cret@db,db2/app?sslmode=require", "postgresql://ada@db,db2/app?sslmode=require"),
        (
            "postgresql://db/app?user=ada&password=s3cret&sslmode=require",
            "postgresql://db/app?user=ada&sslmode=require",
        ),
        ("postgresql://db/app?sslpassword=s3cret", "postgresql://db/app"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, told: str) -> None:
    address = read_address(url)
    assert (address.url, address.shown) == (url, told)
    assert shown(url) == told


@pytest.mark.parametrize(
    "url", ["postgresql://ada:s3cret@db", "postgresql://ada:s3cret@[db/app", "mysql://ada:s3cret@db/app"]
)
def test_a_url_that_names_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)


def test_other_journals_are_not_ours() -> None:
    assert [is_postgres(url) for url in ("none", "sqlite:///x.db", "postgres://x/y", "postgresql://x/y")] == [
        False,
        False,
        True,
        True,
    ]
    assert shown("sqlite:///x.db") == "sqlite:///x.db"
