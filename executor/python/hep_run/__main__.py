"""`python -m hep_run`: the driver."""

from .driver import main

main()
