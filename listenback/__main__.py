"""`python -m listenback`: the same as the command."""

from listenback.cli import main

main()
