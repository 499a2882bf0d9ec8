"""Figures: what was measured, beside what must be reached, as a table for people and JSON lines for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured value. `must` is the bound that it has to keep, on the side that `sense` says."""

    bench: str
    what: str
    value: float
    unit: str
    must: float | None = None
    sense: Literal["at least", "at most"] = "at least"

    @property
    def is_kept(self) -> bool | None:
        """Whether the bound is kept; `None` for a figure without one."""
        if self.must is None:
            return None
        return self.value >= self.must if self.sense == "at least" else self.value <= self.must


def show(figures: Iterable[Figure]) -> None:
    """Print a table."""
    table = Table("bench", "figure", "value", "must be", "")
    for figure in figures:
        bound = "" if figure.must is None else f"{figure.sense} {_number(figure.must)}"
        mark = {True: "[green]ok[/]", False: "[red]MISSED[/]", None: ""}[figure.is_kept]
        table.add_row(figure.bench, figure.what, f"{_number(figure.value)} {figure.unit}", bound, mark)
    Console(width=120).print(table)


def line(figure: Figure) -> str:
    """A figure as one line of JSON."""
    return msgspec.json.encode({**msgspec.structs.asdict(figure), "is_kept": figure.is_kept}).decode()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def ratio(measured: float, floor: float) -> float:
    """How much of the floor was reached."""
    return measured / floor if floor else 0.0


def quantile(values: list[float], q: float) -> float:
    """The smallest value that at least a share `q` of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * q), 1) - 1] if ordered else 0.0
