"""A condition of a theorem, decided for one choice of kernel, density or weight."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """Whether one named condition holds, and why.

    Attributes
    ----------
    name : str
        The condition in words, with the paper's label where it has one, as in ``"A1: symmetric about 0"``.
    holds : bool
    reason : str
        What decides it: a value, an integral, or the point where the condition breaks.
    """

    name: str
    holds: bool
    reason: str
