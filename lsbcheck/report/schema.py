"""Whether a value is what `schema.json` beside this file describes.

Only what that schema uses of JSON Schema is understood, so that reading a saved document needs no
package. A test compares the answers with those of a whole implementation.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, cast

Schema = Mapping[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@functools.cache
def schema() -> Schema:
    """The schema of a document."""
    text = resources.files("lsbcheck.report").joinpath("schema.json").read_text(encoding="utf-8")
    return cast("Schema", json.loads(text))


def fault(value: object) -> str | None:
    """The first place where the value is no document, in words; None if it is one."""
    return next(_faults(value, schema(), "the document"), None)


def _faults(value: object, wanted: Schema, where: str) -> Iterator[str]:
    if "$ref" in wanted:
        name = str(wanted["$ref"]).rpartition("/")[2]
        yield from _faults(value, schema()["$defs"][name], where)
    if "oneOf" in wanted:
        choices = [list(_faults(value, choice, where)) for choice in wanted["oneOf"]]
        if all(choices):
            yield choices[-1][0]
    if "type" in wanted and not _is(value, wanted["type"]):
        yield f"{where} is no {wanted['type'] if isinstance(wanted['type'], str) else 'such thing'}"
        return
    if "const" in wanted and not _same(value, wanted["const"]):
        yield f"{where} is not {wanted['const']}"
    if "enum" in wanted and not any(_same(value, choice) for choice in wanted["enum"]):
        yield f"{where} is none of {', '.join(map(json.dumps, wanted['enum']))}"
    yield from _inner_faults(value, wanted, where)


def _inner_faults(value: object, wanted: Schema, where: str) -> Iterator[str]:
    match value:
        case dict():
            yield from _field_faults(cast("dict[str, object]", value), wanted, where)
        case list():
            for item in cast("list[object]", value) if "items" in wanted else ():
                yield from _faults(item, wanted["items"], f"an entry of {where}")
        case str():
            if "pattern" in wanted and not re.search(wanted["pattern"], value):
                yield f"{where} is not like {wanted['pattern']}"
        case int() | float() if not isinstance(value, bool):
            if not wanted.get("minimum", value) <= value <= wanted.get("maximum", value):
                yield f"{where} is out of its range"
        case _:
            pass


def _field_faults(fields: Mapping[str, object], wanted: Schema, where: str) -> Iterator[str]:
    for name in wanted.get("required", []):
        if name not in fields:
            yield f"{where} has no {name}"
    known = wanted.get("properties", {})
    for name, field in fields.items():
        inner = known.get(name, wanted.get("additionalProperties"))
        if inner is not None:
            yield from _faults(field, inner, f"{name} of {where}" if name in known else where)


def _is(value: object, wanted: str | Sequence[str]) -> bool:
    """Whether it is of one of the types. JSON has no 1 that is true, and 1.0 is an integer."""
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    if isinstance(value, float) and value.is_integer() and "integer" in names:
        return True
    return any(isinstance(value, _TYPES[name]) for name in names)


def _same(value: object, other: object) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and value == other
