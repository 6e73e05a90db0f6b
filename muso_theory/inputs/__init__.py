"""From the words of a command, or a data frame, to a problem and what was understood of it."""

from ..options import Source
from .frame import from_frame
from .preparing import Prepared, prepare

__all__ = ["Prepared", "Source", "from_frame", "prepare"]
