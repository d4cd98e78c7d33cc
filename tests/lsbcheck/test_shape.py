"""The types of the JSON document say what its schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, get_args, get_type_hints, is_typeddict

import pytest

from lsbcheck import report
from lsbcheck.report import shape

SCHEMA: dict[str, Any] = json.loads(resources.files(report).joinpath("schema.json").read_text())
SHAPES: list[type] = [
    each
    for each in vars(shape).values()
    if is_typeddict(each) and each.__module__ == shape.__name__
]


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every description of an object in the schema."""
    if "properties" in schema:
        yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("oneOf", [])]
    inner += [*schema.get("$defs", {}).values(), *filter(None, [schema.get("items")])]
    for each in inner:
        yield from objects(each)


def required(shape: type) -> set[str]:
    """Its keys without NotRequired: annotations are strings here, so `__required_keys__` is all."""
    return {key for key, kind in shape.__annotations__.items() if "NotRequired" not in str(kind)}


@pytest.mark.parametrize("each", SHAPES, ids=[each.__name__ for each in SHAPES])
def test_a_type_has_the_fields_of_the_schema(each: type) -> None:
    fields = set(each.__annotations__)
    described = [one for one in objects(SCHEMA) if set(one["properties"]) == fields]
    assert described, f"nothing in the schema has the fields {sorted(fields)}"
    assert any(set(one["required"]) == required(each) for one in described)


def test_every_object_of_the_schema_has_a_type() -> None:
    typed = [set(each.__annotations__) for each in SHAPES]
    assert [one for one in objects(SCHEMA) if set(one["properties"]) not in typed] == []


def test_the_choices_are_the_same() -> None:
    verdict = get_type_hints(shape.RuleShown)["verdict"]
    assert SCHEMA["$defs"]["rule"]["properties"]["verdict"]["enum"] == list(get_args(verdict))
    outcome = get_type_hints(shape.CallShown)["outcome"]
    assert SCHEMA["$defs"]["call"]["properties"]["outcome"]["enum"] == list(get_args(outcome))
