"""What an unlearning method for networks is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from muso_theory.arguments import checked
from muso_theory.networks.functions import Array

from .problem import NetworkProblem

__all__ = ["NetworkMethod"]


class NetworkMethod(ABC):
    """A way to unlearn: call it with a problem. Implementations are small frozen dataclasses; seeds are fields.

    ``formula`` says in one line what it does, ``source`` where it comes from, ``exactness`` when it is exact: a claim's
    slug, or words.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    exactness: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Every method asks for a problem in the same words."""
        if "__call__" in vars(cls):
            cls.__call__ = checked(cls.__call__)  # type: ignore[method-assign]

    @abstractmethod
    def __call__(self, problem: NetworkProblem) -> list[Array]:
        """Unlearned parameters θ_u; raises DivergedError when training diverged."""
