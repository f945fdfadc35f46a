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
