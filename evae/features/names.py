"""Names of the feature networks, importable without torch."""

from __future__ import annotations

from foundation.errors import InputError, suggest

#: The networks by name.
FEATURES = ("inception", "imagenet", "classifier")

#: Values of ``--features``: the name of a network, ``none``, or ``auto``, which `choice.choose_features` resolves.
CHOICES = ("auto", *FEATURES, "none")


def require_features(name: str) -> None:
    """Raise `InputError` unless ``name`` is one of `CHOICES`."""
    if name not in CHOICES:
        raise InputError(f"--features {name!r} is not known. {suggest(name, CHOICES)}")


def require_use_of_weights(name: str, inception_weights: object) -> None:
    """Raise `InputError` if a file of Inception's weights is given for other features, which do not use it."""
    if inception_weights is not None and name not in ("auto", "inception"):
        raise InputError(
            f"--inception-weights applies to --features inception only, got --features {name}. Leave it out."
        )
