"""SHA-256 of tensors, which detects any change of their bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 (hexadecimal) of the names, types, shapes and bytes of tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).data)
    return digest.hexdigest()
