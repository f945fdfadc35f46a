"""Broken and hostile files for fuzzing, and the check that every reader returns a valid value or one clean sentence.

By default every run draws the same few examples of each fuzzer. If the environment variable ``FUZZ_EXAMPLES`` is set,
each fuzzer draws that number of new examples in every run:

    FUZZ_EXAMPLES=3000 python -m pytest -n0 -k fuzz
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pickle
import resource
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from foundation.errors import InputError
from tests.support.examples import examples as part_of

T = TypeVar("T")

#: Limits of a reader: additional memory in bytes, and time in seconds.
MEMORY, SECONDS = 2**30, 20.0

_MORE = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def examples(number: int) -> settings:
    """Return settings for up to ``number`` examples, the same in every run, or for `FUZZ_EXAMPLES` new ones."""
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(
        max_examples=_MORE or part_of(number), derandomize=not _MORE, database=None, suppress_health_check=health
    )


def answered(read: Callable[[], T], named: str = "") -> T | None:
    """Call a reader; return its value, or None after an `InputError` of one line that contains ``named``.

    The test fails if the reader raises anything else, takes more than `SECONDS`, or requests more memory than `MEMORY`,
    even if it handles the refusal.
    """
    try:
        with little_memory(), little_time():
            return read()
    except InputError as refusal:
        require_clean(refusal, named)
        return None


def require_clean(refusal: InputError, named: str = "") -> None:
    sentence = str(refusal)
    assert sentence.isprintable(), f"more than a line: {sentence!r}"
    assert named in sentence
    cause: BaseException | None = refusal
    while cause is not None:
        assert not isinstance(cause, MemoryError), f"too much memory was asked for: {sentence}"
        cause = cause.__cause__ or cause.__context__
    assert "MemoryError" not in sentence
    assert "llocate" not in sentence


@contextlib.contextmanager
def little_memory(allowed: int = MEMORY) -> Iterator[None]:
    """Limit the additional memory of this process in bytes; larger requests raise a `MemoryError`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 2**30
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


@contextlib.contextmanager
def little_time(seconds: float = SECONDS) -> Iterator[None]:
    """Fail if the block takes longer, whether it waits or computes."""

    def ring(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Trap:
    """An object that creates a file if unpickled, which proves that code was executed."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def foreign() -> list[bytes]:
    """Return files of many formats, to be read in place of the expected one."""
    npy, npz, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, np.arange(6.0))
    np.savez(npz, train_images=np.zeros((2, 2)))
    with zipfile.ZipFile(archive, "w") as file:
        # Without today's date: the names of tests must not depend on the time of collection.
        file.writestr(zipfile.ZipInfo("../../etc/passwd"), "x")
    return [
        b"",
        b"\n",
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        b"NaN",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"1,2\n3,4\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a\xff\xff\xff\xff\x00\x00\x00;",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"\x1f\x8b\x08\x00",
        b"II*\x00\x08\x00\x00\x00",
        (2**60).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        pickle.dumps({"a": 1}),
        npy.getvalue(),
        npz.getvalue(),
        archive.getvalue(),
    ]


_EXTREMES = [
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    2**64 - 1,
]

_NUMBERS = ["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"]


def mutated(original: bytes, others: Sequence[bytes] = (), beginning: int = 128) -> st.SearchStrategy[bytes]:
    """Draw a file truncated, altered or of another kind; headers lie within ``beginning`` bytes of either end."""
    size = len(original)
    middle = st.integers(0, max(size - 1, 0))
    near = st.integers(0, min(beginning, max(size - 1, 0)))
    place = st.one_of(middle, near, near.map(lambda offset: max(size - 1 - offset, 0)))
    length = st.one_of(st.integers(1, 16), st.integers(1, max(size, 1)))
    return st.one_of(
        place.map(lambda end: original[:end]),
        st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=4).map(lambda at: _flipped(original, at)),
        st.tuples(place, length).map(lambda span: original[: span[0]] + original[sum(span) :]),
        st.tuples(place, length).map(lambda span: original[: sum(span)] + original[span[0] :]),
        st.tuples(place, length).map(lambda span: _over(original, span[0], bytes(min(span[1], size)))),
        st.tuples(place, st.sampled_from(_NUMBERS), st.sampled_from(_EXTREMES)).map(
            lambda drawn: _over(original, drawn[0], _packed(drawn[1], drawn[2]))
        ),
        st.tuples(place, st.binary(max_size=12)).map(lambda put: original[: put[0]] + put[1] + original[put[0] :]),
        st.sampled_from([*foreign(), *others]),
        st.binary(max_size=200),
    )


def _flipped(content: bytes, places: list[tuple[int, int]]) -> bytes:
    altered = bytearray(content)
    for place, mask in places:
        altered[place] ^= mask
    return bytes(altered)


def _over(content: bytes, start: int, new: bytes) -> bytes:
    return (content[:start] + new + content[start + len(new) :])[: len(content)]


def _packed(form: str, number: int) -> bytes:
    return struct.pack(form, number % 256 ** struct.calcsize(form))


#: JSON spellings of values that Python's writer does not produce.
_RAW = {
    "<huge number>": "1e999",
    "<minus huge number>": "-1e999",
    "<many digits>": "9" * 5000,
    "<some digits>": "9" * 299,
    "<deep list>": "[" * 3000 + "]" * 3000,
    "<list of 60 levels>": "[" * 60 + "]" * 60,
    "<deep object>": '{"a":' * 3000 + "1" + "}" * 3000,
}

_ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 1e300, -0.0, "", "\ud800", "a\nb\x1b[31m", "x" * 10**5]),
    st.sampled_from([*_RAW]),
    # Copies, because drawn values may be altered.
    st.sampled_from([[], {}, [[]], {"": {}}, ["1", 2, None], {"a": {"b": []}}]).map(copy.deepcopy),
)


def mutated_json(original: bytes) -> st.SearchStrategy[bytes]:
    """Draw a JSON file in which a few parts are missing, of another type, out of range, doubled or too deep."""
    return mutated_document(json.loads(original)).map(as_json)


@st.composite
def mutated_document(draw: st.DrawFn, original: Any) -> Any:
    """Draw an altered document of JSON values; `as_json` writes it."""
    document = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places or draw(st.integers(0, 30)) == 0:
            return draw(_ODD)
        container, key = draw(st.sampled_from(places))
        alteration = draw(st.sampled_from(["replace", "replace", "replace", "drop", "rename", "wrap", "double"]))
        if alteration == "replace":
            container[key] = draw(_ODD)
        elif alteration == "drop":
            del container[key]
        elif alteration == "wrap":
            container[key] = [container[key]]
        elif alteration == "double" and isinstance(container, list):
            container.append(container[key])
        elif isinstance(container, dict):
            container[draw(st.sampled_from(["", "other", "a\nb", "\ud800", "x" * 5000]))] = container.pop(key)
    return document


def as_json(document: Any) -> bytes:
    text = json.dumps(document)
    for name, raw in _RAW.items():
        text = text.replace(json.dumps(name), raw)
    return text.encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of every part of a document."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return the contents of all files of a folder, for later comparison; for other entries only the name."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
