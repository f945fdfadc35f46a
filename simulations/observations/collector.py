"""The observations of a column, one chunk after another: each value is a number, missing, or an error."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array
from foundation.typography import format_count
from simulations.observations.cells import PADDING, is_missing, shown, to_number
from simulations.observations.names import MISSING_RULES
from simulations.observations.sample import LISTED, Dropped, Reading, Sample


class Collector:
    """Collects the numbers of a column.

    Parameters
    ----------
    source : str
        Where they come from, as in `Reading`.
    column : str
        The column as a message names it, such as "column Weight"; empty for an only one.
    unit : str
        "line" or "value".
    missing : str
        One of `MISSING_RULES`.
    """

    def __init__(self, source: str, column: str, unit: str, missing: str) -> None:
        check_missing(missing)
        self._source, self._column, self._unit, self._drop = source, column, unit, missing == "drop"
        self._values = array("d")
        self._first = self._last = 0
        self._dropped: Counter[str] = Counter()
        self._places: list[int] = []

    def add_cells(self, places: Iterable[int], cells: Iterable[str], decimal: str) -> None:
        """Add the numbers that cells of text hold."""
        append = self._values.append
        last = 0
        for place, cell in zip(places, cells, strict=True):
            content = cell.strip(PADDING)
            # What ends in a digit is not missing, which is the quicker question.
            if not content[-1:].isdecimal() and is_missing(content):
                self._leave_out(place, content)
                continue
            try:
                append(to_number(content, decimal))
            except InputError as error:
                raise InputError(f"{self._where(place)} {error}") from None
            last = place
            self._first = self._first or place
        self._last = last or self._last

    def add_values(self, values: Array, missing: npt.NDArray[np.bool_]) -> None:
        """Add numbers of double precision, shape (n,), of which some are missing; places count from 1."""
        infinite = np.isinf(values) & ~missing
        if infinite.any():
            place = int(np.argmax(infinite)) + 1
            raise InputError(
                f"{self._where(place)} must be finite, got {values[place - 1]}. Leave it out, or correct it."
            )
        for place in np.flatnonzero(missing)[: None if self._drop else 1]:
            self._leave_out(int(place) + 1, "NaN")
        kept = np.flatnonzero(~missing)
        self._values.frombytes(np.ascontiguousarray(values[kept], dtype=np.float64).tobytes())
        if kept.size:
            self._first, self._last = int(kept[0]) + 1, int(kept[-1]) + 1

    def sample(self, nothing: str = "none", **details: object) -> Sample:
        """Return the sample; ``details`` are further fields of its `Reading`.

        Raises
        ------
        InputError
            If there is no observation; the message says that there is ``nothing``.
        """
        if not self._values:
            count = self._dropped.total()
            only = f"{format_count(count, 'missing value')} alone" if count else nothing
            raise InputError(f"{self._source} must have at least one observation{self._in_column()}, got {only}.")
        reading = Reading(
            source=self._source,
            observations=len(self._values),
            unit=self._unit,
            first=self._first,
            last=self._last,
            dropped=Dropped(dict(self._dropped), tuple(self._places)),
            **details,  # type: ignore[arg-type]
        )
        return Sample(np.array(self._values), reading)

    def _leave_out(self, place: int, text: str) -> None:
        if not self._drop:
            raise InputError(
                f"{self._where(place)} is missing ({shown(text)}). Use --missing drop to leave missing values out."
            )
        self._dropped[text] += 1
        if len(self._places) < LISTED:
            self._places.append(place)

    def _where(self, place: int) -> str:
        column = f" in {self._column}" if self._column else ""
        return f"{self._source}, {self._unit} {place}{column}"

    def _in_column(self) -> str:
        return f" in {self._column}" if self._column else ""


def check_missing(missing: str) -> None:
    """Raise an `InputError` if ``missing`` is not one of `MISSING_RULES`."""
    if missing not in MISSING_RULES:
        raise InputError(f"--missing must be refuse or drop, got {missing!r}.")
