"""On which device and in which arithmetic a network computes, the latter for as long as a block of code lasts.

fp32 is IEEE single precision throughout: torch alone would let convolutions on CUDA round to TF32. tf32 rounds the
factors of matrix products and convolutions to 10 bits of mantissa and adds in single precision; only CUDA has it.
bf16 computes the layers of encoder and decoder in bfloat16 (`torch.autocast`); weights, optimizer, posterior, noise
and loss stay in single precision, so that no gradient needs scaling. Hold-out images are always measured in fp32.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from evae.configuration.options import OPTIONS
from evae.exceptions import ArithmeticWarning
from foundation.errors import InputError

#: Numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory(device: torch.device) -> None:
    """If ``device`` is the CPU, let the process keep the memory that tensors leave, for the next ones, until it ends.

    Every step frees what the one before it freed. By itself glibc hands most of that back to the system, which clears
    each page anew when it is next written: 2,300 page faults and a tenth of the time of a step of the MNIST network.
    Other C libraries have no such setting; there this does nothing.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        # Large tensors from the heap too, and never a smaller heap; older versions take no more than 32 MiB.
        adjust(_MMAP_THRESHOLD, 2**30) or adjust(_MMAP_THRESHOLD, 2**25)
        adjust(_TRIM_THRESHOLD, 2**31 - 1)


def resolve_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is a usable device, else the CPU; an `InputError` for another name, or vain CUDA."""
    OPTIONS["device"].require(name)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda was asked for, but torch finds no CUDA device. Use --device cpu or auto.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def require_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that a device does not have, with an `InputError`; warn of one that a CPU imitates."""
    if precision == "tf32" and device.type != "cuda":
        raise InputError("--precision tf32 is an arithmetic of CUDA devices; on the CPU use fp32 or bf16.")
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise InputError(f"--precision bf16 is not in {name}, which would only imitate it; use fp32.")
    if precision == "bf16" and device.type == "cpu" and not _multiplies_bfloat16():
        warnings.warn(
            "this CPU lacks the instructions for bfloat16: --precision bf16 takes many times as long here as fp32.",
            ArithmeticWarning,
            stacklevel=3,
        )


def _multiplies_bfloat16() -> bool:
    # Where oneDNN does not take bfloat16, torch falls back to a loop: on AVX2 a step takes 14 times as long.
    return not torch.backends.mkldnn.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextlib.contextmanager
def full_precision_or_tf32(precision: str) -> Iterator[None]:
    """Let products on CUDA be rounded to TF32 if ``precision`` is tf32, and in no other case; restored afterwards."""
    chosen = "tf32" if precision == "tf32" else "ieee"
    cudnn: Any = torch.backends.cudnn
    operators: list[Any] = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    before = [operator.fp32_precision for operator in operators]
    try:
        for operator in operators:
            operator.fp32_precision = chosen
        yield
    finally:
        for operator, setting in zip(operators, before, strict=True):
            operator.fp32_precision = setting


@contextlib.contextmanager
def layers_in(precision: str, device: torch.device) -> Iterator[None]:
    """Compute the layers called in the block in bfloat16 if ``precision`` is bf16; then they return bfloat16."""
    if precision != "bf16":
        yield
        return
    with torch.autocast(device.type, dtype=torch.bfloat16):
        yield


@contextlib.contextmanager
def deterministic_algorithms(asked: bool) -> Iterator[None]:
    """Use only algorithms that give the same bits each time, if ``asked``; the process's settings are restored.

    On CUDA that is slower. On the CPU every operation of these networks is deterministic anyway, for one version of
    torch and one number of threads; there it makes torch refuse an operation that were not.
    """
    if not asked:
        yield
        return
    cudnn: Any = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
    # cuBLAS reads it when it is first used; without it torch refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        cudnn.deterministic, cudnn.benchmark = True, False
        # Nothing here reads memory that nothing wrote; filling it would cost a pass over each new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        yield
    finally:
        enabled, warn_only, cudnn.deterministic, cudnn.benchmark, filled = before
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
