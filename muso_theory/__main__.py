"""``python -m muso_theory`` is ``muso``."""

from .commands.cli import main

main()
