"""The names of the feature networks; imports nothing heavy."""

from __future__ import annotations

from foundation.errors import InputError, suggestion

#: The networks by name.
FEATURES = ("inception", "imagenet", "classifier")

#: What ``--features`` takes: the name of a network, ``none``, or ``auto``, which `choice.choose_features` decides.
CHOICES = ("auto", *FEATURES, "none")


def require_features(name: str) -> None:
    """Raise `InputError` unless ``name`` is one of `CHOICES`."""
    if name not in CHOICES:
        raise InputError(f"--features {name!r} is not known. {suggestion(name, CHOICES)}")
