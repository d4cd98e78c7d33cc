"""All that two or three nodes can do: never do two of them hold the lock.

Whatever is not said to be punctual may take for ever: a node may stand still wherever it is, and
what it writes may come when nobody expects it any more. Each rule is then broken, and two holders
are found. `pytest -s` shows how many states each exploration has, -rP for those that passed.

What has no counterexample here, and what finds it instead:

* AlwaysAsserts, AssertsLate: test_lease.py. They matter only after an assumption has failed: a C
  claimer came late, and the holder did not look in time.
* BelievesUnseen, HoldsUnseen, LateByTheOtherClock, LooksAtNames, ReleasesLate, ReleasesUnseen,
  TakesAnythingForARecord: test_simulation.py, which has two clocks and writes that get lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, Unpack

import pytest

from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.timing import Timing
from tests.agents.sfex import mutants
from tests.agents.sfex.c_daemon import CDaemon
from tests.agents.sfex.model import EVER, Found, May, Model, Node, Pace
from tests.agents.sfex.mutants import Loose

NAMES = (b"a", b"b", b"c")

STAGES = ("Reserving", "Colliding", "Extending", "Confirming", "Holding", "Releasing")
ANYWHERE: Pace = {
    f"{stage}.{phase}": EVER
    for stage in STAGES
    for phase in ("wake", "read", "took", "land", "done")
}
"""A node may stand still anywhere but while it waits for the lock."""

PAUSES: Pace = dict.fromkeys(
    ("Holding.wake", "Holding.land", "Colliding.wake", "Extending.land", "Reserving.land"), EVER
)
"""A node may stand still before a look, a renewal, a check and both writes of a claim."""

LATE: Pace = {"CReserving.land": EVER}
"""The first write of a C daemon's claim may come at any time."""

T3 = Loose(collision=1, lock=3, interval=1, margin=1, look=1, io=0)
T4 = Timing(collision=2, lock=4, interval=2, margin=1, look=1, io=0)
T6 = Timing(collision=2, lock=6, interval=3, margin=1, look=1, io=0)
T7 = Timing(collision=2, lock=7, interval=1, margin=1, look=1, io=0)
BESIDE_C = Timing(collision=3, lock=6, interval=3, margin=1, look=1, io=0)

Maker = Callable[[Timing, bytes], Protocol]


def nodes(
    count: int, timing: Timing, pace: Pace, rules: Maker = Protocol, **may: Unpack[May]
) -> list[Node]:
    return [Node(rules(timing, name), pace)._replace(**may) for name in NAMES[:count]]


def c_nodes(
    names: tuple[bytes, ...], c: int, t: int, m: int, pace: Pace, **may: Unpack[May]
) -> list[Node]:
    return [
        Node(CDaemon(name, collision=c, lock=t, interval=m), pace, guarded=False)._replace(**may)
        for name in names
    ]


def explore(*these: Node, cap: int = 19, modulus: int = 8) -> Found:
    began = time.monotonic()
    found = Model(*these, cap=cap, modulus=modulus).explore()
    took = time.monotonic() - began
    verdict = "two holders" if found.story else "safe"
    print(f"{found.states} states in {took:.1f} s: {verdict}", *found.story, sep="\n  ")
    assert found.held
    return found


class Case(NamedTuple):
    """Nodes, and how to look at them."""

    nodes: list[Node]
    modulus: int = 8


SAFE: dict[str, Case] = {
    "nodes that stand still anywhere": Case(nodes(2, T6, ANYWHERE)),
    "and wherever they decide": Case(nodes(2, T4, {**ANYWHERE, "Watching.took": 3})),
    "and between looks at the lock": Case(nodes(2, T4, {**PAUSES, "Watching.wake": EVER})),
    "and in looks at the lock": Case(nodes(2, T4, {**PAUSES, "Watching.read": 3})),
    "a margin of two": Case(
        nodes(2, Loose(collision=2, lock=6, interval=3, margin=2, look=1, io=0), PAUSES)
    ),
    "a guardian that is late by less than its time": Case(nodes(2, T6, PAUSES, fencing=2)),
    "keepers that are killed": Case(nodes(2, T4, ANYWHERE, kills=True)),
    "nodes that crash": Case(nodes(2, T4, ANYWHERE, crashes=True)),
    "whose writes come when they are dead": Case(
        nodes(2, T4, ANYWHERE, kills=True, crashes=True, ghosts=EVER)
    ),
    "holders that are told to stop": Case(nodes(2, T4, ANYWHERE, kills=True, stops=True)),
    "releases that come late while holders look": Case(
        nodes(
            2,
            T6,
            dict.fromkeys(("Releasing.land", "Reserving.land"), EVER),
            stops=True,
            ghosts=EVER,
        )
    ),
    "errors": Case(nodes(2, T4, PAUSES, errors=True, ghosts=2), modulus=16),
    "errors, and nodes that stand still anywhere": Case(
        [*nodes(1, T7, ANYWHERE, errors=True, ghosts=4), Node(Protocol(T7, b"b"))], modulus=16
    ),
    "keepers that inherit": Case(
        nodes(
            2,
            T4,
            dict.fromkeys(("Holding.wake", "Extending.land", "Reserving.land"), EVER),
            kills=True,
            inherits=True,
        ),
        modulus=16,
    ),
    "two looks at the lock, if the second comes in time": Case(
        nodes(2, T6, {**PAUSES, "Watching.wake": EVER}, mutants.LooksTwiceInTime)
    ),
    "three nodes": Case(nodes(3, T4, PAUSES)),
}

BESIDE: dict[str, Case] = {
    "a C claimer that comes late": Case(
        [*nodes(1, BESIDE_C, {"Holding.read": 1}), *c_nodes((b"c",), 3, 6, 2, LATE)], modulus=16
    ),
    "and both crash and stop": Case(
        [
            *nodes(1, BESIDE_C, {"Holding.read": 1}, crashes=True, stops=True),
            *c_nodes((b"c",), 3, 6, 2, LATE, crashes=True, stops=True),
        ],
        modulus=16,
    ),
    "a C claimer that comes late, and two nodes": Case(
        [*nodes(2, BESIDE_C, {"Holding.read": 1}), *c_nodes((b"c",), 3, 6, 2, LATE)], modulus=16
    ),
    "a punctual C daemon, and a node that stands still anywhere": Case(
        [*nodes(1, BESIDE_C, ANYWHERE), *c_nodes((b"c",), 3, 6, 2, {})], modulus=16
    ),
}
"""As far as this protects: a C daemon that is never paused."""

C_SAFE: dict[str, Case] = {
    **{
        f"claims less late than c={c}": Case(
            c_nodes(NAMES[:2], c, 8, c + 2, {"CReserving.land": c - 1}), modulus=16
        )
        for c in (2, 3)
    },
    "claims that are late, and holders that look before c": Case(
        c_nodes(NAMES[:2], 4, 12, 3, {"CReserving.land": 10}), modulus=16
    ),
    "renewals within T": Case(
        c_nodes(
            NAMES[:2], 2, 6, 3, dict.fromkeys(("CHeld.wake", "CHeld.land", "CReserving.land"), 1)
        ),
        modulus=16,
    ),
    "three punctual nodes": Case(
        c_nodes(NAMES, 2, 8, 4, {"CReserving.land": 1}, stops=True), modulus=16
    ),
}

C_VIOLATED: dict[str, Case] = {
    **{
        f"claims as late as c={c}": Case(
            c_nodes(NAMES[:2], c, 8, c + 2, {"CReserving.land": c}), modulus=16
        )
        for c in (2, 3)
    },
    "claims that are late, and holders that look after c": Case(
        c_nodes(NAMES[:2], 4, 12, 4, {"CReserving.land": 10}), modulus=16
    ),
    "renewals at T": Case(
        c_nodes(
            NAMES[:2], 2, 5, 3, dict.fromkeys(("CHeld.wake", "CHeld.land", "CReserving.land"), 1)
        ),
        modulus=16,
    ),
    "nodes that stand still": Case(
        c_nodes(
            NAMES[:2],
            2,
            8,
            3,
            dict.fromkeys(("CHeld.wake", "CHeld.land", "CColliding.wake", "CExtending.land"), EVER),
        ),
        modulus=16,
    ),
    "punctual nodes that crash, with the same count by chance": Case(
        c_nodes(NAMES[:2], 2, 8, 4, {"CReserving.land": 1}, stops=True, crashes=True), modulus=16
    ),
}

LIMITS: dict[str, Case] = {
    "a lease that lasts longer than T": Case(
        nodes(2, Loose(collision=2, lock=6, interval=3, margin=-1, look=1, io=0), PAUSES)
    ),
    "a guardian that is late by all its time": Case(nodes(2, T6, PAUSES, fencing=3)),
    "a late C claimer, and a holder that looks after c": Case(
        [
            *nodes(1, Loose(collision=3, lock=6, interval=3, margin=1, look=3, io=0), {}),
            *c_nodes((b"c",), 3, 6, 3, LATE),
        ],
        modulus=16,
    ),
    "a late C claimer, and a holder that stands still": Case(
        [*nodes(1, BESIDE_C, {"Holding.wake": EVER}), *c_nodes((b"c",), 3, 6, 2, LATE)], modulus=16
    ),
    "a C claimer that compares counts, and two nodes with the same by chance": Case(
        [*nodes(2, BESIDE_C, PAUSES), *c_nodes((b"c",), 3, 6, 2, {})], modulus=16
    ),
    "a late release, and a holder that stands still": Case(
        nodes(2, T6, {**PAUSES, "Releasing.land": EVER}, stops=True, ghosts=EVER)
    ),
    "a node that starts while its last life still writes": Case(
        nodes(2, T4, ANYWHERE, kills=True, ghosts=3, haunted=True)
    ),
}
"""What no node can do anything against by itself: the assumptions, each one needed."""


class Broken(NamedTuple):
    """A mutant, and where it is found out; the rules as they are pass there."""

    rules: Maker
    timing: Timing
    pace: Pace
    may: May = {}  # noqa: RUF012
    others: list[Node] | None = None
    """The second node; None if it is another mutant."""
    modulus: int = 8


BROKEN = [
    Broken(mutants.BelievesItsName, T6, PAUSES),
    Broken(mutants.NeverOver, T6, PAUSES),
    Broken(mutants.RenewsLate, T6, {**PAUSES, "Holding.done": EVER}, {"fencing": 1}),
    Broken(mutants.RenewsFromAfter, T7, {**PAUSES, "Holding.done": EVER}),
    Broken(mutants.NeverLate, T6, PAUSES),
    Broken(mutants.LateByOne, T6, PAUSES),
    Broken(mutants.LateFromAfter, T6, {**PAUSES, "Watching.took": 3}),
    Broken(
        mutants.ClaimsOnceMoreLate,
        Timing(collision=3, lock=9, interval=3, margin=1, look=1, io=0),
        {"Extending.land": EVER},
        others=c_nodes((b"c",), 3, 9, 2, LATE),
        modulus=16,
    ),
    Broken(mutants.ClaimsWithoutEnd, T6, PAUSES),
    Broken(
        mutants.BelievesLate,
        BESIDE_C,
        {"Confirming.took": EVER},
        others=c_nodes((b"c",), 3, 6, 2, LATE),
        modulus=16,
    ),
    Broken(
        mutants.IgnoresWhatItSees,
        BESIDE_C,
        {},
        others=c_nodes((b"c",), 3, 6, 2, LATE),
        modulus=16,
    ),
    Broken(
        mutants.NeverLooks,
        BESIDE_C,
        {},
        others=c_nodes((b"c",), 3, 6, 2, LATE),
        modulus=16,
    ),
    Broken(mutants.SeesNoError, T4, PAUSES, {"errors": True}),
    Broken(mutants.LooksTwice, T6, {**PAUSES, "Watching.wake": EVER}),
    Broken(mutants.ComparesCounts, T6, {**PAUSES, "Watching.wake": EVER}),
    Broken(mutants.ComparesCountsInTime, T6, {**PAUSES, "Watching.wake": EVER}),
    Broken(mutants.WaitsFromBefore, T6, {**PAUSES, "Watching.read": 4}),
    Broken(mutants.WaitsTooShort, T6, PAUSES),
    Broken(mutants.StandsTooShort, T6, PAUSES),
    Broken(
        mutants.WritesAgain,
        T7,
        dict.fromkeys(("Holding.took", "Holding.wake"), EVER),
        {"errors": True, "ghosts": 4},
        others=nodes(2, T7, {})[1:],
        modulus=32,
    ),
    Broken(
        mutants.InheritsAnything,
        T4,
        dict.fromkeys(("Holding.wake", "Extending.land", "Reserving.land"), EVER),
        {"kills": True, "inherits": True},
        modulus=16,
    ),
    Broken(
        mutants.InheritsForEver,
        T4,
        dict.fromkeys(("Holding.wake", "Extending.land", "Reserving.land"), EVER),
        {"kills": True, "inherits": True},
        modulus=16,
    ),
]


def cast(broken: Broken, rules: Maker) -> list[Node]:
    if broken.others is None:
        return nodes(2, broken.timing, broken.pace, rules, **broken.may)
    return [*nodes(1, broken.timing, broken.pace, rules, **broken.may), *broken.others]


@pytest.mark.parametrize("case", (SAFE | BESIDE | C_SAFE).values(), ids=(SAFE | BESIDE | C_SAFE))
def test_the_lock_has_one_holder_with(case: Case) -> None:
    assert explore(*case.nodes, modulus=case.modulus).story == []


@pytest.mark.parametrize("case", (C_VIOLATED | LIMITS).values(), ids=(C_VIOLATED | LIMITS))
def test_the_lock_may_have_two_holders_with(case: Case) -> None:
    assert explore(*case.nodes, modulus=case.modulus).story


class TestWithARuleBroken:
    @pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.rules.__name__)
    def test_there_are_two_holders(self, broken: Broken) -> None:
        assert explore(*cast(broken, broken.rules), modulus=broken.modulus).story

    @pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.rules.__name__)
    def test_there_was_one_before(self, broken: Broken) -> None:
        assert explore(*cast(broken, Protocol), modulus=broken.modulus).story == []
