"""`python -m bench [--small] [--json FILE] [NAME ...]`: measures, prints a table; exits with 1 if a bound is missed.

`python -m bench soak` is a long run under faults, with arguments of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench import (
    analytics,
    audiences,
    batch_status,
    beats,
    beats_postgres,
    console,
    deadlines,
    detection,
    fan_out,
    hidden,
    join_storm,
    main_thread,
    memory,
    reconnect_storm,
    soak,
    two_nodes,
)
from bench.process import machine
from bench.report import Figure, line, show

BENCHES: dict[str, Callable[[bool], Awaitable[list[Figure]]]] = {
    bench.NAME: bench.run
    for bench in (
        fan_out,
        beats,
        memory,
        join_storm,
        reconnect_storm,
        deadlines,
        detection,
        audiences,
        main_thread,
        console,
        batch_status,
        hidden,
        analytics,
        two_nodes,
        beats_postgres,
    )
}


async def measure(names: list[str], small: bool) -> list[Figure]:
    """Run benches one after another."""
    figures: list[Figure] = []
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures += await BENCHES[name](small)
    return figures


def main() -> int:
    """The program."""
    if sys.argv[1:2] == ["soak"]:
        return soak.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all of them if none is given"
    )
    parser.add_argument("--small", action="store_true", help="less of everything: about three minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write each figure as a line of JSON")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    figures = uvloop.run(measure(given.names or list(BENCHES), given.small))
    print(machine())
    show(figures)
    if given.json is not None:
        given.json.write_text("".join(f"{line(figure)}\n" for figure in figures))
    return 1 if any(figure.is_kept is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
