"""The meta-data of any declaration, as the cluster's own schemas see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from ocfkit import Agent
from ocfkit.metadata import metadata
from tests.ocfkit import strategies
from tests.ocfkit.strategies import Declared
from tests.services import schema_table, schemas

NEW = ("OCF 1.1 specification", "Pacemaker", "pcs 1.1")
"""Those that know all of OCF 1.1."""

thoroughly = settings(max_examples=200, deadline=None)


@pytest.fixture(scope="module")
def found(pacemaker: Path) -> schemas.Schemas:
    found = schemas.find()
    assert all(found.paths[name] == pacemaker / path for name, path in schemas.PACKAGED.items())
    if found.missing:
        pytest.skip(f"not found in shared/schemas beside the project: {', '.join(found.missing)}")
    return found


def complaints(found: schemas.Schemas, cls: type[Agent], profile: str) -> dict[str, list[str]]:
    text = metadata(cls, "agent", profile)  # type: ignore[arg-type]  # one of PROFILES
    said = found.complaints(text.encode("utf-8"))
    return {name: lines for name, lines in said.items() if lines}


@thoroughly
@given(declared=strategies.declarations())
def test_1_1_of_any_declaration_is_valid_for_those_that_know_it(
    found: schemas.Schemas, declared: Declared
) -> None:
    said = complaints(found, declared.cls(), "1.1")
    assert [name for name in NEW if name in said] == []


@thoroughly
@given(declared=strategies.declarations())
def test_1_0_of_any_declaration_is_valid_for_all(
    found: schemas.Schemas, declared: Declared
) -> None:
    assert complaints(found, declared.cls(), "1.0") == {}


@thoroughly
@given(declared=strategies.declarations(plain=True))
def test_1_1_of_what_uses_nothing_of_it_is_valid_for_all(
    found: schemas.Schemas, declared: Declared
) -> None:
    assert complaints(found, declared.cls(), "1.1") == {}


@pytest.mark.parametrize("construct", schema_table.declared())
def test_1_0_of_each_construct_is_valid_for_all(found: schemas.Schemas, construct: str) -> None:
    text = schema_table.written(schema_table.declared()[construct], "1.0")
    assert found.verdicts(text.encode("utf-8")) == dict.fromkeys(schemas.NAMES, True)


@pytest.mark.parametrize("construct", schema_table.NEVER)
def test_what_is_never_written_is_refused_by_somebody(
    found: schemas.Schemas, construct: str
) -> None:
    text = schema_table.mutants()[construct]
    assert not all(found.verdicts(text.encode("utf-8")).values())


def test_the_reference_is_what_the_schemas_say_now(found: schemas.Schemas) -> None:
    assert not found.missing
    assert schema_table.PAGE.read_text("utf-8") == schema_table.page()
