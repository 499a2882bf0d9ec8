"""`python -m hereabouts`."""

from hereabouts.cli import main

main()
