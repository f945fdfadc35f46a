"""Functions of the user's that make a network, given by name as ``module:FUNCTION`` or in Python.

To import a module is to run its code. Nothing here is called for a name that was only read from a file: whoever trains
or evaluates a run names the function, or gives it.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import nn

from evae.models.custom.errors import NetworkError, describe
from foundation.errors import InputError

#: Makes an encoder and a decoder for an image shape (C, S, S) and d_z.
Builder = Callable[[tuple[int, int, int], int], tuple[nn.Module, nn.Module]]


def import_builder(name: str) -> Builder:
    """Import a function by its name, ``module:FUNCTION``, from the current directory or an installed package.

    Raises
    ------
    InputError
        If there is no such module or function, or importing the module fails.
    """
    module_name, _, function_name = name.partition(":")
    with _current_directory_first():
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and error.name == module_name.split(".")[0]:
                raise InputError(
                    f"--network {name} needs the module {module_name}, which is neither in the current directory, "
                    f"{Path.cwd()}, nor installed. Start in the directory that holds it, or install it."
                ) from error
            raise NetworkError(f"--network {name}: importing {module_name} failed: {describe(error)}.") from error
    builder = getattr(module, function_name, None)
    if not callable(builder):
        raise InputError(
            f"--network {name} must name a function of {module.__file__ or module_name}, which has no function "
            f"{function_name}. Define {function_name}(image_shape, latent_dim) there; it returns (encoder, decoder)."
        )
    return builder


def build_network(
    builder: Builder, name: str, image_shape: tuple[int, int, int], latent_dim: int
) -> tuple[nn.Module, nn.Module]:
    """Call a function that makes a network; ``name`` names it in messages.

    Raises
    ------
    InputError
        If the call fails, or returns anything else than two modules.
    """
    with _current_directory_first():
        try:
            found = builder(image_shape, latent_dim)
        except (Exception, SystemExit) as error:
            raise NetworkError(
                f"the network {name} cannot be made: its function failed for image_shape={image_shape} and "
                f"latent_dim={latent_dim}: {describe(error)}. It is called with these two arguments."
            ) from error
    if not isinstance(found, tuple | list) or len(found) != 2 or not all(isinstance(one, nn.Module) for one in found):
        kinds = ", ".join(type(one).__name__ for one in found) if isinstance(found, tuple | list) else None
        raise NetworkError(
            f"the network {name}: its function must return (encoder, decoder), two torch.nn.Module, got "
            f"{type(found).__name__ if kinds is None else f'({kinds})'}."
        )
    encoder, decoder = found
    return encoder, decoder


@contextlib.contextmanager
def _current_directory_first() -> Iterator[None]:
    """Look for modules in the current directory first, as python does for a script there, within the block."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
