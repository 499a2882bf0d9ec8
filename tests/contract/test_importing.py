"""Last seen out of a table of somebody's own: into a journal that keeps it, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hereabouts.errors import ConfigError
from hereabouts.importing import Imported, import_last_seen, read_last_seen
from hereabouts.journal.base import Journal, LastSeen
from hereabouts.journal.opening import open_journal

NOW_AT = 1_795_246_287_203
SEEN_AT = 1_768_660_071_000


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = open_journal(f"sqlite:///{tmp_path / 'journal.db'}")
    await journal.open()
    yield journal
    await journal.close()


def table(folder: Path, *lines: str, header: str = "user_id,last_seen_at") -> Path:
    path = folder / "profiles.csv"
    path.write_text("\n".join([header, *lines, ""]), "utf-8")
    return path


async def test_old_columns_come_in_once_and_who_was_seen_here_stays(tmp_path: Path, journal: Journal) -> None:
    journal.record([LastSeen("default", "bob", NOW_AT, None, NOW_AT, None)])
    await journal.flush()
    path = table(tmp_path, "ada,2026-01-17 14:27:51+00", f"bob,{SEEN_AT}", *(f"u{n},{SEEN_AT}" for n in range(1_200)))
    assert await import_last_seen(journal, path, "default") == Imported(1_201, 1)
    assert await import_last_seen(journal, path, "default") == Imported(0, 1_202)
    seen = await journal.last_seen("default", ["ada", "bob", "u1199"])
    assert [seen[user_id].public_seen_at for user_id in ("ada", "bob", "u1199")] == [SEEN_AT, NOW_AT, SEEN_AT]
    assert await journal.last_seen("acme", ["ada"]) == {}


def test_two_clocks_where_there_are_two(tmp_path: Path) -> None:
    header = "\ufeffid,user_id,last_seen_at,last_active_at"
    path = table(tmp_path, f"1,ada,{SEEN_AT},2026-01-17T15:27:50+01:00", f'2,"b,b",{SEEN_AT},', header=header)
    ada, other = read_last_seen(path, "default", NOW_AT)
    assert (ada.seen_at, ada.active_at) == (SEEN_AT, SEEN_AT - 1_000)
    assert (other.user_id, other.active_at) == ("b,b", None)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("ada,yesterday", "line 3: 'yesterday' is no time"),
        ("ada,2026-01-17 14:27:51", "has no zone; write 2026-01-17 14:27:51Z"),
        ("ada,1768660071", "a number is in milliseconds, not seconds"),
        (f"ada,{NOW_AT + 1}", "is in the future"),
        (f"a da,{SEEN_AT}", "line 3: .*user_id"),
        ("ada", "is no time"),
    ],
)
async def test_one_bad_line_is_named_and_nothing_is_written(
    tmp_path: Path, journal: Journal, line: str, wrong: str
) -> None:
    path = table(tmp_path, f"eve,{SEEN_AT}", line)
    with pytest.raises(ConfigError, match=wrong):
        list(read_last_seen(path, "default", NOW_AT))
    if "future" not in wrong:
        with pytest.raises(ConfigError, match=wrong):
            await import_last_seen(journal, path, "default")
    assert await journal.last_seen("default", ["eve"]) == {}


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    for path, wrong in (
        (tmp_path / "missing.csv", "cannot be read"),
        (table(tmp_path, "x", header="id,seen"), "no column user_id or last_seen_at"),
    ):
        with pytest.raises(ConfigError, match=wrong):
            list(read_last_seen(path, "default", NOW_AT))
