"""Tables as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.responses import Response

CSV: Final = "text/csv"

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the begin of a formula, in a cell of text.

Source: OWASP, "CSV Injection".
"""

Cell = str | int | float | bool | None


def sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A table to download as `NAME.csv`. Text that looks like a formula gets an apostrophe in front."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.getvalue().encode("utf-8", "replace"), headers=headers, media_type=CSV)


def cell(value: Cell) -> str | int | float:
    """One value as a cell: nothing is empty, a statement is `true` or `false`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
