"""What a number may claim: exact, enclosed or merely measured, behind one small interface."""

from typing import TYPE_CHECKING, Any

from ..lazy import lazily
from .arithmetic import Arithmetic, Factor, Matrix
from .balls import BALL
from .constant import is_constant
from .float64 import FLOAT64, CholeskyFactor
from .multiprecision import MP
from .quantity import Grade, Quantity
from .rational import RATIONAL
from .rounding import NoArithmeticError, UndecidedError

__all__ = [
    "BALL",
    "FLOAT64",
    "MP",
    "RATIONAL",
    "Arithmetic",
    "CholeskyFactor",
    "Factor",
    "Grade",
    "Matrix",
    "NoArithmeticError",
    "Quantity",
    "UndecidedError",
    "is_constant",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return lazily(__name__, name)
