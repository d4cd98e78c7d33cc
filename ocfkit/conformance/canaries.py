"""Values that must be told to nobody: recognised wherever they turn up."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping

from ocfkit.conformance.description import Description

_SECRET = re.compile(r"passw(or)?d|passphrase|secret|token|credential|api_?key", re.IGNORECASE)
"""Names of parameters that are secrets; the meta-data has no attribute for it that any schema
would accept, and Pacemaker itself goes by the names `password`, `passwd`, `user` alone."""

SHORTEST = 6
"""Characters: a shorter value turns up by chance."""


def is_secret(name: str) -> bool:
    """Whether a parameter of this name is one."""
    return _SECRET.search(name) is not None and not name.lower().endswith(("file", "path"))


def of(
    description: Description | None, given: Mapping[str, str], hidden: Collection[str] = ()
) -> dict[str, str]:
    """The secret parameters with the value that the user gave, else with one of our own.

    `hidden` are the names of those that he calls secret, whatever their names say. A path is none:
    it is told by those who keep the secret in a file.
    """
    found = {
        name: value
        for name, value in given.items()
        if value and (name in hidden or (is_secret(name) and not value.startswith("/")))
    }
    for each in description.parameters if description else ():
        is_path = (given.get(each.name) or each.default or "").startswith("/")
        if is_secret(each.name) and each.type == "string" and not (is_path or each.name in found):
            found[each.name] = f"canary-{secrets.token_hex(8)}"
    return {name: value for name, value in found.items() if len(value) >= SHORTEST}
