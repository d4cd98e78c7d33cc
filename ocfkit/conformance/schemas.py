"""What the schemas that tools judge meta-data by have against it.

They are other people's files: those that are installed where the agent is are used, with the
xmllint that is there, inside a sandbox, since neither the text nor its entities are to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ocfkit.conformance.visit import PATH, Traveller

SCHEMAS: Final[Mapping[str, tuple[str, str]]] = {
    "pcs, OCF 1.1": ("--relaxng", "/usr/share/pcs/data/ocf-1.1.rng"),
    "pcs, OCF 1.0": ("--relaxng", "/usr/share/pcs/data/ocf-1.0.rng"),
    "Pacemaker": ("--relaxng", "/usr/share/pacemaker/ocf-ra-1.1.rng"),
    "resource-agents": ("--relaxng", "/usr/share/resource-agents/metadata.rng"),
    "ocf-tester": ("--valid", "/usr/share/resource-agents/ra-api-1.dtd"),
}
"""Name → how xmllint is told, and the file as Debian's packages have it."""

_FOLDER = "/.ocfkit-check/schemas"
_SECONDS = 20.0


def complaints(traveller: Traveller, xml: str) -> dict[str, str]:
    """What each schema that is there has against the meta-data, in a line; "" for nothing.

    Raises SandboxUnavailable, and SandboxLost.
    """
    found: dict[str, str] = {}
    with traveller.backend.create() as sandbox:
        for name, (how, path) in SCHEMAS.items():
            try:
                schema = sandbox.read_file(path, 1 << 20)
            except OSError:
                continue
            # a document names its DTD by file name alone, and xmllint looks in its folder
            here = f"{_FOLDER}/{path.rsplit('/', 1)[1]}"
            sandbox.put_file(here, schema)
            sandbox.put_file(f"{_FOLDER}/meta-data.xml", xml.encode())
            words = ("--valid",) if how == "--valid" else (how, here)
            ran = sandbox.run(
                ("xmllint", "--nonet", "--noout", *words, f"{_FOLDER}/meta-data.xml"),
                env={"PATH": PATH},
                deadline=_SECONDS,
            )
            if ran.code in (126, 127):
                return {}
            if ran.code is None:  # it gave no answer, or was killed: that is no complaint
                continue
            said = [line for line in ran.stderr.splitlines() if line.startswith(_FOLDER)]
            found[name] = "" if ran.code == 0 else _first(said)
    return found


def _first(lines: list[str]) -> str:
    if not lines:
        return "refused without a reason"
    return lines[0].removeprefix(f"{_FOLDER}/meta-data.xml:")
