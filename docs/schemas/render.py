"""The JSON Schemas of what ``--json`` writes, and docs/json.md, the page on them.

``python -m docs.schemas.render`` writes into the schemas what the table of options says of a configuration, and the
page from the schemas.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from evae.configuration.options import OPTIONS, WITHOUT_EFFECT

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "json.md"

#: Options that were added since the format of the results: files may lack them, and then have the default.
ADDED = (
    *("skip_undecodable", "fit", "binarise", "network", "pixels", "pixel_scale", "shape", "initial_shape"),
    *("divergence_by", "penalty", "penalty_weight", "prior", "prior_components", "pseudo_inputs"),
    *("vamp_components", "defensive_share"),
    *("importance_samples", "importance_groups", "elbo_share", "decoder_bound", "gradient"),
    *("schedule", "optimizer", "weight_decay", "clip_gradient", "keep"),
)

#: The order of the page; what several documents share comes last.
NAMES = (
    *("verify-lemmas", "verify-lemmas-list", "verify-lemmas-kernel", "simulate-tm", "test-fit"),
    *("test-fit-against", "train", "evaluate"),
    *("sample", "reproduce", "report", "datasets-list", "datasets-get", "datasets-check", "completion", "common"),
)

_HEAD = """\
# What `--json` writes

Every command takes `--json PATH`, which writes its result as one JSON document, whole or not at all, and `--json -`,
which writes it to standard output and nothing else there. `--quiet` leaves out tables and progress, and changes nothing
of the document. A number that does not exist, such as a standard error of one value, is null, and so is an infinite
one; NaN does not occur.

The [JSON Schemas](https://json-schema.org) (2020-12) in `docs/schemas` say what each document holds, every field with
its meaning and unit, and admit no other; `python -m docs.schemas.render` writes this page from them, and what they say
of a run's configuration from the table of options in `evae/configuration/options.py`. The tests validate the real
output of every command. A dot leads into an object, `[]` into each element of a list, `.*` into each value under a
varying key.

| exit code | meaning | document |
|---|---|---|
| 0 | done | yes |
| 1 | done, but a check failed: a verdict, a mean, a run of a table or a data set is not as it should be | yes |
| 2 | wrong use or bad input: one sentence on standard error | no |
| 130, 143 | interrupted by Ctrl-C or SIGTERM: one sentence on what was saved and how to resume | no |
| 141 | nothing reads standard output any more: no message | in part |
"""


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name, in the order of the page."""
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}


def updated_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name, with the configuration of a run as the table of options has it."""
    found = schemas()
    found["common"]["$defs"]["configuration"] = _configuration("The options of a run.")
    found["reproduce"]["$defs"]["run"]["properties"]["configuration"] = _configuration(
        "The options of the run that can affect its figures.", WITHOUT_EFFECT, ADDED
    )
    return found


def write() -> None:
    """Write the schemas and the page."""
    for name, schema in updated_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def _configuration(description: str, left_out: Collection[str] = (), optional: Collection[str] = ()) -> dict[str, Any]:
    properties = {name: option.schema() for name, option in OPTIONS.items() if name not in left_out}
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_section(name, schema) for name, schema in schemas().items())])


def _section(name: str, schema: dict[str, Any]) -> str:
    lines = [f"## {schema['title']}", "", f"{schema['description']} ([schema](schemas/{name}.json))", ""]
    for form in schema.get("oneOf", [schema] if "properties" in schema else []):
        lines += [f"Either a {_link(form['$ref'])}, or:", ""] if "$ref" in form else [*_table(form), ""]
    for part, definition in schema.get("$defs", {}).items():
        lines += [f"### {part}", "", definition["description"], "", *_table(definition), ""]
    return "\n".join(lines)


def _table(form: dict[str, Any]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    yield from _rows(form, "")


def _rows(form: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, field in form["properties"].items():
        absent = "" if name in form["required"] else " May be absent."
        yield f"| `{prefix}{name}` | {_type(field)} | {field.get('description', '')}{absent} |"
        yield from _inner(field, f"{prefix}{name}")


def _inner(field: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the rows of what a field holds."""
    for inner, suffix in (
        (field, ""),
        *((one, "") for one in field.get("anyOf", ())),
        (field.get("items", {}), "[]"),
        (field.get("additionalProperties") or {}, ".*"),
    ):
        if "properties" in inner:
            yield from _rows(inner, f"{name}{suffix}.")
        elif suffix and inner:
            yield from _inner(inner, f"{name}{suffix}")


def _type(field: dict[str, Any]) -> str:
    """Return a field's type, with a link where it is described elsewhere."""
    if "$ref" in field:
        return _link(field["$ref"])
    if "enum" in field:
        return " or ".join("null" if value is None else f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {_type(field['additionalProperties'])}"
    return " or ".join([field["type"]] if isinstance(field["type"], str) else field["type"])


def _link(reference: str) -> str:
    file, _, part = reference.partition("#/$defs/")
    if part:
        return f"[{part}](#{part})"
    return f"[{file.removesuffix('.json')}](#{file.removesuffix('.json')})"


if __name__ == "__main__":
    write()
