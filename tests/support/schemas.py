"""Validation of documents against the schemas in docs/schemas."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from docs.schemas import render


@cache
def validator(name: str) -> Draft202012Validator:
    """Return a validator for the schema of this name, including the schemas it refers to."""
    schemas = render.schemas()
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()]
    return Draft202012Validator(schemas[name], registry=Registry().with_resources(resources))


def faults(name: str, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]
