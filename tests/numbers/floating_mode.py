"""Set the floating-point mode of this thread for real: its MXCSR, by four bytes of machine code."""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

FLUSH, DAZ, DOWN, UP, ZERO = 0x8000, 0x0040, 0x2000, 0x4000, 0x6000
MODES = {
    "flush-to-zero": FLUSH,
    "denormals-are-zero": DAZ,
    "both": FLUSH | DAZ,
    "down": DOWN,
    "up": UP,
    "towards zero": ZERO,
}
_ALL = FLUSH | DAZ | ZERO

# Arguments come in rdi: the System V convention of 64-bit x86.
SETTABLE = platform.machine() in ("x86_64", "AMD64") and sys.platform in ("linux", "darwin")
needs_mxcsr = pytest.mark.skipif(
    not SETTABLE, reason="the mode is set through MXCSR, which only a 64-bit x86 processor has"
)


class Register:
    """MXCSR of the calling thread."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(bytes.fromhex("0fae17c3"))  # ldmxcsr [rdi]; ret
        self._code.write(bytes.fromhex("0fae1fc3"))  # stmxcsr [rdi]; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        function = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint32))
        self._load, self._store = function(address), function(address + 4)

    def read(self) -> int:
        value = ctypes.c_uint32()
        self._store(ctypes.byref(value))
        return value.value

    def write(self, value: int) -> None:
        self._load(ctypes.byref(ctypes.c_uint32(value)))


@contextmanager
def floating_mode(bits: int) -> Iterator[None]:
    """Set these bits in this thread, see that it took, and put back what was there."""
    register = Register()
    before = register.read()
    try:
        register.write(before & ~_ALL | bits)
        assert register.read() & _ALL == bits, "the mode did not take"
        yield
    finally:
        register.write(before)
    assert register.read() & _ALL == before & _ALL
