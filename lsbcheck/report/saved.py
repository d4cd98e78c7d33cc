"""Documents that were saved: read from a file, and many made one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Never, cast

from lsbcheck import __version__, exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.json import SCHEMA_VERSION
from lsbcheck.report.schema import fault
from lsbcheck.report.shape import Document, RunShown, SandboxShown, ScriptShown


class SavedError(Exception):
    """The file is no document that can be used; its text is one sentence for the user."""


def read(path: str) -> Document:
    """The document in a file; raises SavedError."""
    try:
        with open(path, "rb") as file:
            value: object = json.loads(file.read().decode("utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise SavedError(
            f"{path}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    except (ValueError, RecursionError) as error:  # also: no UTF-8, a NUL in the name
        raise SavedError(f"{path}: not JSON, so no report of lsbcheck --format json") from error
    version = _version(value)
    if type(version) is int and version != SCHEMA_VERSION:
        raise SavedError(
            f"{path}: its schema_version is {version}, and this lsbcheck reads {SCHEMA_VERSION}"
        )
    wrong = fault(value)
    if wrong is not None:
        raise SavedError(f"{path}: no report of lsbcheck --format json: {wrong}")
    return cast("Document", value)


def _version(value: object) -> object:
    return cast("dict[str, object]", value).get("schema_version") if type(value) is dict else None


def _refuse(word: str) -> Never:
    raise ValueError(word)


def merge(documents: Sequence[tuple[str, Document]]) -> Document:
    """One document of several, each with the file that it is from; raises SavedError.

    Their profiles and chosen rules must agree: an exit code rests on one choice of rules.
    """
    first_file, first = documents[0]
    for file, document in documents:
        if _choice(document) != _choice(first):
            raise SavedError(
                f"{file}: its exit code rests on {_choice(document)}, and that of {first_file} on "
                f"{_choice(first)}"
            )
    runs: list[RunShown] = []
    scripts: list[ScriptShown] = []
    for origin, (_, document) in zip(_origins(documents), documents, strict=True):
        runs += _runs(origin, document)
        scripts += [_from(origin, script) for script in document["scripts"]]
    return {
        "schema_version": SCHEMA_VERSION,
        "lsbcheck": __version__,
        "profile": first["profile"],
        "chosen_rules": first["chosen_rules"],
        "exit_code": _exit_code(runs),
        "merged": runs,
        "sandbox": _in_common(runs),
        "scripts": scripts,
    }


def _choice(document: Document) -> str:
    chosen = document["chosen_rules"]
    return f"profile {document['profile']}" if chosen is None else f"the rules {', '.join(chosen)}"


def _origins(documents: Sequence[tuple[str, Document]]) -> list[str]:
    """A name for each file: its last part without `.json`, or all where two are alike."""
    files = [file for file, _ in documents]
    short = [os.path.basename(file).removesuffix(".json") or file for file in files]
    if len(set(short)) == len(short):
        return short
    if len(set(files)) < len(files):
        twice = next(file for file in files if files.count(file) > 1)
        raise SavedError(f"{twice}: named twice")
    return files


def _runs(origin: str, document: Document) -> list[RunShown]:
    """What the scripts of a document were run by; a merged one has several."""
    if "merged" in document:
        return [{**run, "origin": f"{origin}/{run['origin']}"} for run in document["merged"]]
    run: RunShown = {
        "origin": origin,
        "lsbcheck": document["lsbcheck"],
        "exit_code": document["exit_code"],
        "sandbox": document["sandbox"],
    }
    if "directory" in document:
        run["directory"] = document["directory"]
    return [run]


def _from(origin: str, script: ScriptShown) -> ScriptShown:
    return {**script, "origin": f"{origin}/{script['origin']}" if "origin" in script else origin}


def _exit_code(runs: Sequence[RunShown]) -> ExitCode:
    return exitcodes.of_all([run["exit_code"] for run in runs])


def _in_common(runs: Sequence[RunShown]) -> SandboxShown:
    sandboxes = [run["sandbox"] for run in runs]
    causes = [each["unavailable"] for each in sandboxes]
    notes = [f"{run['origin']}: {note}" for run in runs for note in run["sandbox"]["notes"]]
    prepares = {each["prepare"] for each in sandboxes}
    return {
        "backend": ", ".join(dict.fromkeys(each["backend"] for each in sandboxes)),
        "root": ", ".join(dict.fromkeys(each["root"] for each in sandboxes)),
        "prepare": prepares.pop() if len(prepares) == 1 else None,
        "notes": notes,
        "unavailable": causes[0] if None not in causes else None,
    }
