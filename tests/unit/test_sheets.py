"""Tables that do nothing when they are opened."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from hereabouts.gateway.sheets import cell, sheet

ROWS = st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=5)


@given(ROWS)
def test_what_is_written_is_read_back_and_no_cell_is_a_formula(rows: list[list[str]]) -> None:
    answer = sheet("users", ("a", "b"), rows)
    read = list(csv.reader(io.StringIO(bytes(answer.body).decode(), newline="")))
    assert read[0] == ["a", "b"]
    assert [[text.removeprefix("'") for text in row] for row in read[1:]] == [
        [text.removeprefix("'") for text in row] for row in rows
    ]
    assert [text for row in read for text in row if text[:1] in set("=+-@\t\r\n＝＋－＠") - {""}] == []


def test_numbers_stay_numbers_also_below_nothing() -> None:
    assert [cell(value) for value in (-1, -0.5, None, True, False)] == [-1, -0.5, "", "true", "false"]
    assert cell('=HYPERLINK("http://evil")') == '\'=HYPERLINK("http://evil")'


def test_a_table_is_a_file_to_download() -> None:
    headers = sheet("online", ("at",), []).headers
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"] == 'attachment; filename="online.csv"'
