"""`pytest --lsb-script /etc/init.d/snmpd`: each rule is a test of the script.

pytest finds this module by the entry point `pytest11` and imports it in every run, so what costs
something is imported when a script is named.
"""

from __future__ import annotations

import pytest

PROFILES = ("lsb", "pacemaker", "strict")
MARK = "lsbcheck: a rule of lsbcheck, tried on an init script"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("lsbcheck", "lsbcheck (init scripts)")
    group.addoption(
        "--lsb-script",
        action="append",
        default=[],
        metavar="SCRIPT",
        help="check this init script, a test for each rule; may be repeated",
    )
    group.addoption(
        "--lsb-profile",
        choices=PROFILES,
        default="lsb",
        help="the rules that are tried (default: lsb, the eight)",
    )
    group.addoption(
        "--lsb-root", default="/", metavar="DIR", help="a root file system other than the host's"
    )
    group.addoption(
        "--lsb-prepare",
        metavar="COMMAND",
        help="shell command to run in each fresh sandbox before the script",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Every test of a rule has the mark `lsbcheck`."""
    config.addinivalue_line("markers", MARK)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the tests, before -k and -m choose among them."""
    if session.config.getoption("lsb_script"):
        from lsbcheck.pytest_items import collected

        items += collected(session)
