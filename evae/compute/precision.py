"""Devices, and context managers for precision and determinism.

fp32 is IEEE single precision throughout: by default, torch lets convolutions on CUDA round to TF32. tf32 rounds the
factors of matrix products and convolutions to 10 bits of mantissa and adds in single precision; only CUDA supports it.
bf16 computes the layers of encoder and decoder in bfloat16 (`torch.autocast`); weights, optimizer, posterior, noise
and loss stay in single precision, so that no gradient needs scaling. Hold-out metrics are always computed in fp32.
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

#: Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory(device: torch.device) -> None:
    """Keep freed memory in the process for later tensors if ``device`` is the CPU, until the process ends.

    Each step frees and allocates the same amounts. By default, glibc returns most of it to the system, which clears
    each page when it is next written: 2,300 page faults and a tenth of the time of a step of the MNIST network. Other C
    libraries have no such setting; there the function does nothing.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        # Allocate large tensors on the heap, and never shrink it; older versions limit the threshold to 32 MiB.
        adjust(_MMAP_THRESHOLD, 2**30) or adjust(_MMAP_THRESHOLD, 2**25)
        adjust(_TRIM_THRESHOLD, 2**31 - 1)


def resolve_device(name: str) -> torch.device:
    """Return the torch device for ``cpu``, ``cuda`` or ``auto``, which is CUDA if available, else the CPU.

    Raises `InputError` if the name is unknown, or no CUDA device is present.
    """
    OPTIONS["device"].require(name)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda needs a CUDA device, but torch finds none. Use --device cpu or auto.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def require_precision(precision: str, device: torch.device) -> None:
    """Raise `InputError` for a precision that a device does not support; warn of one that a CPU emulates."""
    if precision == "tf32" and device.type != "cuda":
        raise InputError("--precision tf32 needs a CUDA device, got the CPU. Use fp32 or bf16.")
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise InputError(f"--precision bf16 needs hardware support, but {name} only emulates it. Use fp32.")
    if precision == "bf16" and device.type == "cpu" and not _multiplies_bfloat16():
        warnings.warn(
            "this CPU lacks instructions for bfloat16: --precision bf16 takes many times as long as fp32.",
            ArithmeticWarning,
            stacklevel=3,
        )


def _multiplies_bfloat16() -> bool:
    # If oneDNN does not support bfloat16, torch falls back to a loop: on AVX2, a step takes 14 times as long.
    return not torch.backends.mkldnn.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextlib.contextmanager
def full_precision_or_tf32(precision: str) -> Iterator[None]:
    """Round products on CUDA to TF32 in the block only if ``precision`` is tf32; restore the settings afterwards."""
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
    """Compute the layers called in the block in bfloat16, which they also return, if ``precision`` is bf16."""
    if precision != "bf16":
        yield
        return
    with torch.autocast(device.type, dtype=torch.bfloat16):
        yield


@contextlib.contextmanager
def deterministic_algorithms(asked: bool) -> Iterator[None]:
    """Use only deterministic algorithms in the block if ``asked``; restore the settings afterwards.

    On CUDA they are slower. On the CPU, all operations of these networks are deterministic anyway for a fixed version
    of torch and number of threads; there torch raises an error for an operation that is not.
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
    # cuBLAS reads the variable on first use; without it, torch refuses matrix products.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        cudnn.deterministic, cudnn.benchmark = True, False
        # No code here reads uninitialised memory; filling it would cost a pass over each new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        yield
    finally:
        enabled, warn_only, cudnn.deterministic, cudnn.benchmark, filled = before
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
