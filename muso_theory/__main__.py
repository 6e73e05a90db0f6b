"""``python -m muso_theory`` is ``muso``."""

from .cli import main

main()
