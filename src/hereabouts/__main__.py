"""The program `hereabouts`, also as `python -m hereabouts`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run it. Where the client alone is installed, say how the server is; exit status 2."""
    try:
        from hereabouts.cli import main as program

        program()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("hereabouts"):
            raise
        text = f"{missing.name} is missing, as where the client alone is installed"
        print(f"hereabouts: {text}; the server needs: pip install 'hereabouts[server]'", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
