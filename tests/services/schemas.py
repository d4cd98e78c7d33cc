"""The schemas that an agent's meta-data meets, each as its tool applies it.

Those that a Debian package ships are taken from the root `pacemaker`, or from this machine; the
others lie beside the project, in shared/schemas. OCF 1.0's own schema is not among them: it knows
no monitor action, and so no agent that exists passes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

from tests.services import roots

SHARED = Path(__file__).resolve().parents[3] / "shared/schemas"

PACKAGED: Final = {
    "pcs 1.1": "usr/share/pcs/data/ocf-1.1.rng",
    "pcs 1.0": "usr/share/pcs/data/ocf-1.0.rng",
    "resource-agents metadata.rng": "usr/share/resource-agents/metadata.rng",
    "ocf-tester's DTD": "usr/share/resource-agents/ra-api-1.dtd",
}
"""Name → path in a Debian system."""

BESIDE: Final = {
    "OCF 1.1 specification": "ocf-spec-ra-api-1.1.rng",
    "Pacemaker": "pacemaker-ocf-ra-1.1.rng",
    "pcs 1.1": "pcs-ocf-1.1.rng",
    "pcs 1.0": "pcs-ocf-1.0.rng",
}
"""Name → file in shared/schemas."""

NAMES: Final = tuple({**BESIDE, **PACKAGED})


@dataclass(frozen=True, slots=True)
class Schemas:
    """Schemas by name, and where each was found."""

    paths: Mapping[str, Path]

    @property
    def missing(self) -> list[str]:
        """The names of those that were not found."""
        return [name for name in NAMES if name not in self.paths]

    def complaints(self, xml: bytes) -> dict[str, list[str]]:
        """What each schema has against this meta-data, a line each."""
        return {name: _checker(path)(xml) for name, path in self.paths.items()}

    def verdicts(self, xml: bytes) -> dict[str, bool]:
        """Whether each schema accepts this meta-data."""
        return {name: not complaints for name, complaints in self.complaints(xml).items()}


def find() -> Schemas:
    """Look for each schema in the root if it is built, on this machine, and beside the project."""
    systems = (roots.folder() / "pacemaker", Path("/"))
    found: dict[str, Path] = {}
    for name in NAMES:
        places = [system / PACKAGED[name] for system in systems if name in PACKAGED]
        places += [SHARED / BESIDE[name]] if name in BESIDE else []
        there = next(filter(Path.exists, places), None)
        if there:
            found[name] = there
    return Schemas(found)


def verdicts(xml: bytes) -> dict[str, bool]:
    """Whether each schema that can be found accepts this meta-data."""
    return find().verdicts(xml)


@cache
def _checker(path: Path) -> Callable[[bytes], list[str]]:
    return _dtd_checker(path) if path.suffix == ".dtd" else _relax_ng_checker(path)


def _relax_ng_checker(path: Path) -> Callable[[bytes], list[str]]:
    """Check as `xmllint --relaxng` does."""
    schema = etree.RelaxNG(etree.parse(path))

    def check(xml: bytes) -> list[str]:
        parser = etree.XMLParser()
        try:
            document = etree.fromstring(xml, parser)
        except etree.XMLSyntaxError:
            return _lines(parser.error_log)
        return [] if schema.validate(document) else _lines(schema.error_log)

    return check


def _dtd_checker(path: Path) -> Callable[[bytes], list[str]]:
    """Check as `xmllint --valid` does from the DTD's own folder: the document names its DTD."""

    def check(xml: bytes) -> list[str]:
        parser = etree.XMLParser(dtd_validation=True)
        try:
            etree.fromstring(xml, parser, base_url=str(path.with_name("meta-data.xml")))
        except etree.XMLSyntaxError:
            return _lines(parser.error_log)
        return []

    return check


def _lines(log: object) -> list[str]:
    return str(log).splitlines() or ["refused without a reason"]
