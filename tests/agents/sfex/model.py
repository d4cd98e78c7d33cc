"""Every course that two or three nodes can take with one lock, in whole units of time.

The lease code itself is run, node by node. A node's situation holds ages instead of moments, and
counts relative to the one on the disk, so there are few of them; a step is computed once for each.
What is explored breadth first are the combinations: the disk, the nodes, and what of their writes
is still on its way. Time goes on only when nobody has to act before. A read is asked for, takes
effect, and is answered; a write is asked for, lands, and is answered. How long each of that may
take, a moment or for ever, is what a `Pace` says of a stage.

The guardian is urgent: at its deadline (plus the time that fencing takes) a node is silent, and
what it was writing may land later, or never.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import pairwise, permutations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypedDict

from ocfkit.agents.sfex import lease, record
from ocfkit.agents.sfex.messages import (
    Exit,
    Extend,
    Fence,
    Hold,
    Lease,
    Read,
    ReadDone,
    ReadFailed,
    Sleep,
    Started,
    Stop,
    Timer,
    Write,
    WriteDone,
    WriteFailed,
)
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.stages import (
    Colliding,
    Confirming,
    Extending,
    Holding,
    Idle,
    Reserving,
    Watching,
)
from ocfkit.agents.sfex.timing import Now, Timing
from tests.agents.sfex.c_daemon import CHeld

if TYPE_CHECKING:
    from ocfkit.agents.sfex.messages import Command, Event

BASE = 1_000
"""The moment at which every step is computed: only differences matter."""

EVER = None
"""As long as it likes."""

NEVER = -1

AnyStage: TypeAlias = Any
"""Of whatever rules a node goes by."""

Pace = Mapping[str, int | None]
"""What may take how long: "Holding.wake", ".read", ".took", ".land", ".done"; 0 if it is not there.

wake: from the end of a sleep; read: until a read takes effect; took: until it is answered; land:
until a write is on the disk; done: until it is answered.
"""


class Rules(Protocol):
    """What a node goes by: the lease code, a mutant of it, or the C daemon."""

    name: bytes

    def step(
        self, stage: AnyStage, event: Event, now: Now
    ) -> tuple[AnyStage, tuple[Command, ...]]: ...


class Node(NamedTuple):
    """A node, and what may happen to it."""

    rules: Rules
    pace: Pace = MappingProxyType({})
    guarded: bool = True
    fencing: int = 0
    """Time that a guardian may be late; all the while a late renewal would still rescue it."""
    ghosts: int | None = NEVER
    """How long a write may be on its way, in all, when its writer has gone meanwhile."""
    haunted: bool = False
    """It may start while a write of its last life is still on its way."""
    kills: bool = False
    """The keeper may be killed; what needs the lock runs on until the guardian's deadline."""
    crashes: bool = False
    stops: bool = False
    errors: bool = False
    """A read may fail, and a write too, whether or not it lands."""
    inherits: bool = False
    """A killed keeper's successor may be told of its lease."""


class May(TypedDict, total=False):
    """What may happen to a node, as above."""

    guarded: bool
    fencing: int
    ghosts: int | None
    haunted: bool
    kills: bool
    crashes: bool
    stops: bool
    errors: bool
    inherits: bool


class Situation(NamedTuple):
    """Of one node. Times are ages, counts relative to the one on the disk."""

    stage: AnyStage
    """As it is, with moments relative to BASE."""
    doing: str
    """off, sleep, read, took, land or done."""
    record: Record | None
    """On its way, in either direction."""
    rest: int
    """Of a sleep."""
    waited: int
    """Since it could act."""
    active: bool
    fuse: int | None
    """Time until the guardian's work is done."""
    ghost: Record | None
    ghost_age: int
    held: Lease | None
    """What a successor could inherit."""


OFF = Situation(
    stage=Idle(),
    doing="off",
    record=None,
    rest=0,
    waited=1,
    active=False,
    fuse=None,
    ghost=None,
    ghost_age=0,
    held=None,
)

State = tuple[int, ...]
"""The number of what is on the disk, and that of each node's situation."""


class Move(NamedTuple):
    name: str
    after: int
    disk: int
    """Number of what is on the disk then; NEVER if that stays as it is."""
    by: int
    """How far the count on the disk has gone on."""


class Found(NamedTuple):
    """What an exploration has found."""

    states: int
    story: list[str]
    """How two nodes came to hold the lock; empty if they cannot."""
    held: bool
    """Whether it was held at all: a model in which nobody can take it is safe, too."""


@contextlib.contextmanager
def counting(modulus: int) -> Generator[None]:
    """With fewer counts there are fewer states; too few, and what has changed looks unchanged."""
    counts = record.COUNTS
    for each in (record, lease):
        vars(each)["COUNTS"] = modulus
    try:
        yield
    finally:
        for each in (record, lease):
            vars(each)["COUNTS"] = counts


class Disks:
    """Numbers for what is on the disk; its count is left out."""

    def __init__(self) -> None:
        self.all: list[Record] = []
        self.numbers: dict[tuple[bool, bytes], int] = {}

    def enter(self, one: Record) -> int:
        key = (one.locked, one.name)
        if key not in self.numbers:
            self.numbers[key] = len(self.all)
            self.all.append(Record(one.locked, 0, one.name))
        return self.numbers[key]


class Book:
    """The situations of one node, and what leads from one to another, each computed once."""

    def __init__(self, node: Node, disks: Disks, cap: int, modulus: int) -> None:
        # What no rule looks at is known of the lease code alone: a mutant may well look at it.
        self.timing: Timing | None = None
        if isinstance(node.rules, lease.Protocol) and type(node.rules) is lease.Protocol:
            self.timing = node.rules.timing
        self.node = node
        self.disks = disks
        self.cap = cap
        self.modulus = modulus
        self.all: list[Situation] = []
        self.numbers: dict[object, int] = {}
        self.active: list[bool] = []
        self.ticks: dict[int, int] = {}
        self.shifts: dict[tuple[int, int], int] = {}
        self.moves_at: dict[tuple[int, int], list[Move]] = {}

    def enter(self, situation: Situation) -> int:
        stage, key = self._normal(situation.stage)
        held, held_key = self._normal(self._tidy_held(situation.held))
        situation = situation._replace(stage=stage, held=held)
        full = (key, held_key, situation._replace(stage=None, held=None))
        number = self.numbers.get(full)
        if number is None:
            number = self.numbers[full] = len(self.all)
            self.all.append(situation)
            self.active.append(situation.active)
        return number

    def _tidy_held(self, held: Lease | None) -> Lease | None:
        if held is None or self.timing is None or BASE - held.issued < self.timing.lease:
            return held
        return None

    def _normal(self, stage: AnyStage) -> tuple[AnyStage, object]:
        """A stage without what makes no difference any more, and a key for it."""
        if stage is None:
            return None, None
        kind = _kind(stage)
        ages: Ages = {}
        for name in _slots(kind):
            age = _age(getattr(stage, name)) if name in TIMES else None
            if age is not None:
                ages[name] = age
        tidy = TIDY.get(kind)
        if tidy is not None:
            tidy(stage, ages, self.timing)
        new = object.__new__(kind)
        key: list[object] = [kind]
        for name in _slots(kind):
            value = getattr(stage, name)
            if name in ages:
                at = BASE - min(ages[name], self.cap)
                key.append(at)
                setattr(new, name, Now(at, at) if isinstance(value, Now) else at)
            else:
                key.append(value)
                setattr(new, name, value)
        return new, tuple(key)

    # Time.

    def tick(self, number: int) -> int:
        """The situation a unit of time later; NEVER if something has to happen before."""
        try:
            return self.ticks[number]
        except KeyError:
            later = self._later(self.all[number])
            self.ticks[number] = after = NEVER if later is None else self.enter(later)
            return after

    def _later(self, at: Situation) -> Situation | None:
        if at.fuse == 0:
            return None
        rest, waited = at.rest, at.waited
        if at.doing == "sleep" and rest > 0:
            rest -= 1
        elif at.doing == "off":
            waited = 1  # an unmeasurable time does not pass at all
        else:
            bound = self._bound(at)
            if bound is not None:
                if waited >= bound:
                    return None
                waited += 1
        ghost, age = at.ghost, at.ghost_age
        if ghost is not None and self.node.ghosts is not None:
            age += 1
            if age > self.node.ghosts:
                ghost, age = None, 0
        return at._replace(
            stage=_aged(at.stage),
            held=_aged(at.held),
            rest=rest,
            waited=waited,
            fuse=None if at.fuse is None else at.fuse - 1,
            ghost=ghost,
            ghost_age=age,
        )

    def _bound(self, at: Situation) -> int | None:
        phase = "wake" if at.doing == "sleep" else at.doing
        return self.node.pace.get(f"{type(at.stage).__name__}.{phase}", 0)

    # Counts and names.

    def shift(self, number: int, by: int) -> int:
        """The same situation when the count on the disk has gone on by so many."""
        if by == 0:
            return number
        try:
            return self.shifts[number, by]
        except KeyError:
            modulus = self.modulus

            def shifted(old: Record) -> Record:
                return Record(old.locked, (old.count - by) % modulus, old.name)

            after = self.shifts[number, by] = self.enter(_changed(self.all[number], shifted))
            return after

    # Acts.

    def moves(self, number: int, disk: int) -> list[Move]:
        """What can happen at once."""
        try:
            return self.moves_at[number, disk]
        except KeyError:
            found = list(self._moves(self.all[number], self.disks.all[disk]))
            self.moves_at[number, disk] = found
            return found

    def _moves(self, at: Situation, disk: Record) -> Iterator[Move]:
        yield from self._io(at, disk)
        if at.ghost is not None:
            gone = at._replace(ghost=None, ghost_age=0)
            yield self._move(f"late write of {_word(at.ghost)} lands", gone, at.ghost)
        if at.fuse == 0:
            yield self._move("is fenced", self._gone(at)._replace(active=False, fuse=None))
            return
        node = self.node
        if at.doing == "off":
            yield from self._starts(at)
            return
        if node.kills:
            gone = self._gone(at)
            yield self._move("is killed", gone._replace(stage=Idle()))
        if node.crashes:
            yield self._move("crashes", self._gone(at)._replace(active=False, fuse=None, held=None))
        if node.stops and self._may_stop(at):
            yield self._tell("is stopped", at._replace(active=False), Stop())

    def _starts(self, at: Situation) -> Iterator[Move]:
        if at.ghost is not None and not self.node.haunted:
            return
        if at.fuse is not None and not at.active:
            return
        if not (at.stage.ended and at.active):
            yield self._tell("starts", at._replace(stage=Idle()), Started())
        if at.held is not None and at.waited:
            event = Started(at.held)
            yield self._tell("inherits", at._replace(stage=Idle(), held=None), event)

    def _may_stop(self, at: Situation) -> bool:
        if isinstance(at.stage, Holding):
            return not at.stage.stopping
        return isinstance(at.stage, CHeld) and at.doing == "sleep"

    def _io(self, at: Situation, disk: Record) -> Iterator[Move]:
        errors = self.node.errors
        what = at.record
        match at.doing:
            case "sleep":
                if at.rest == 0:
                    yield self._tell("wakes", at, Timer())
            case "read":
                after = at._replace(doing="took", record=disk, waited=0)
                yield self._move(f"finds {_word(disk)}", after)
                if errors:
                    yield self._tell("cannot read", at, ReadFailed("error"))
            case "took":
                assert what is not None
                yield self._tell(f"knows {_word(what)}", at, ReadDone(what))
            case "land":
                after = at._replace(doing="done", record=None, waited=0)
                yield self._move(f"writes {_word(what)}", after, what)
                if errors:
                    lost = self._haunted(at)
                    yield self._tell("cannot write, for now", lost, WriteFailed("error"))
            case "done":
                yield self._tell("has written", at, WriteDone())
                if errors:
                    yield self._tell("has written, and is told not", at, WriteFailed("error"))
            case _:
                pass

    def _haunted(self, at: Situation) -> Situation:
        if at.doing != "land" or self.node.ghosts == -1:
            return at
        return at._replace(ghost=at.record, ghost_age=at.waited)

    def _gone(self, at: Situation) -> Situation:
        gone = self._haunted(at)
        return gone._replace(stage=Idle(ended=True), doing="off", record=None, rest=0, waited=0)

    def _move(self, name: str, after: Situation, written: Record | None = None) -> Move:
        if written is None:
            return Move(name, self.enter(after), NEVER, 0)
        return Move(name, self.enter(after), self.disks.enter(written), written.count)

    def _tell(self, name: str, at: Situation, event: Event) -> Move:
        node = self.node
        stage, commands = node.rules.step(at.stage, event, Now(BASE, BASE))
        if not commands:
            return self._move(name, at._replace(stage=stage))
        after = at._replace(stage=stage, record=None, rest=0, waited=0)
        for each in commands:
            after = self._obey(after, each)
        return self._move(name, after)

    def _obey(self, at: Situation, command: Command) -> Situation:  # noqa: PLR0911 - one a command
        match command:
            case Read():
                return at._replace(doing="read")
            case Write():
                return at._replace(doing="land", record=command.record)
            case Sleep():
                return at._replace(doing="sleep", rest=command.until - BASE)
            case Hold():
                active = at.active if isinstance(command, Extend) else True
                if not self.node.guarded:
                    return at._replace(active=active)
                until = command.deadline - BASE + self.node.fencing
                issued = getattr(at.stage, "issued", 0)
                held = Lease(command.record, issued) if self.node.inherits else None
                return at._replace(active=active, fuse=until, held=held)
            case Fence():
                off = self._gone(at)
                if self.node.fencing == 0:
                    return off._replace(active=False, fuse=None, held=None)
                fuse = self.node.fencing if at.fuse is None else min(at.fuse, self.node.fencing)
                return off._replace(fuse=fuse, held=None)
            case Exit():
                return self._gone(at)._replace(active=False, fuse=None, held=None)


TIMES = frozenset(("asked", "before", "due", "issued", "seen", "since", "whence"))
"""Slots of stages that hold a moment. That of some is a `Now`, which is told apart."""


def _kind(stage: object) -> type[AnyStage]:
    return type(stage)


def _slots(kind: type) -> list[str]:
    return [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]


def _age(moment: object) -> int | None:
    if isinstance(moment, Now):
        return BASE - moment.boot
    return BASE - moment if isinstance(moment, int) else None


Ages = dict[str, int]


def _tidy_watching(stage: Watching, ages: Ages, timing: Timing | None) -> None:
    if stage.record is None:
        ages["whence"] = ages["since"] = 0
    elif timing is not None:
        old = timing.lock + 1
        if ages["whence"] >= old:
            ages["whence"], ages["since"] = old, 0
        ages["since"] = min(ages["since"], ages.get("asked", 0) + timing.lock)


def _tidy_reserving(_stage: Reserving, ages: Ages, timing: Timing | None) -> None:
    if timing is not None:
        ages["issued"] = min(ages["issued"], timing.lease)
        if ages["asked"] >= timing.decided:
            ages["asked"], ages["issued"] = timing.decided, 0


def _tidy_colliding(stage: Colliding, ages: Ages, timing: Timing | None) -> None:
    if stage.asked is not None:
        ages["since"] = 0
    if timing is not None:
        ages["since"] = min(ages["since"], timing.collision)
        ages["issued"] = min(ages["issued"], timing.lease)
        if "asked" in ages and not stage.inherited:
            ages["asked"] = min(ages["asked"], timing.decided)


def _tidy_extending(_stage: Extending, ages: Ages, timing: Timing | None) -> None:
    if timing is None:
        return
    if ages["before"] >= timing.lease or ages["asked"] >= timing.decided:
        ages.update(before=timing.lease, asked=timing.decided, issued=0)


def _tidy_confirming(_stage: Confirming, ages: Ages, timing: Timing | None) -> None:
    if timing is not None:
        ages["asked"] = min(ages["asked"], timing.decided)
        if ages["issued"] >= timing.lease:
            ages["issued"], ages["asked"] = timing.lease, 0


def _tidy_holding(stage: Holding, ages: Ages, timing: Timing | None) -> None:
    if stage.doing == "sleep":
        ages["asked"] = 0
    ages["due"] = 0 if stage.doing in {"write", "assert"} else min(ages["due"], 0)
    if timing is not None:
        ages["seen"] = min(ages["seen"], timing.decided)
        if ages["issued"] >= timing.lease:
            ages.update(issued=timing.lease, seen=0, asked=0, due=0)


TIDY: dict[type, Callable[..., None]] = {
    Watching: _tidy_watching,
    Reserving: _tidy_reserving,
    Colliding: _tidy_colliding,
    Extending: _tidy_extending,
    Confirming: _tidy_confirming,
    Holding: _tidy_holding,
}
"""Takes from the ages of a stage what no rule looks at: the first part holds for mutants too."""


def _aged(stage: AnyStage) -> AnyStage:
    """The same stage a unit of time later."""
    if stage is None:
        return None
    kind = _kind(stage)
    new = object.__new__(kind)
    for name in _slots(kind):
        value = getattr(stage, name)
        if isinstance(value, Now):
            value = Now(value.boot - 1, value.mono - 1)
        elif name in TIMES and value is not None:
            value -= 1
        setattr(new, name, value)
    return new


def _changed(at: Situation, change: Callable[[Record], Record]) -> Situation:
    """The same situation with all its records changed."""

    def one(old: Record | None) -> Record | None:
        return None if old is None else change(old)

    def all_of(stage: AnyStage) -> AnyStage:
        if stage is None:
            return None
        kind = _kind(stage)
        new = object.__new__(kind)
        for name in _slots(kind):
            value = getattr(stage, name)
            setattr(new, name, change(value) if isinstance(value, Record) else value)
        return new

    return at._replace(
        stage=all_of(at.stage),
        held=all_of(at.held),
        record=one(at.record),
        ghost=one(at.ghost),
    )


class Model:
    """All nodes together."""

    def __init__(self, *nodes: Node, cap: int, modulus: int = 8) -> None:
        self.disks = Disks()
        self.books = [Book(each, self.disks, cap, modulus) for each in nodes]
        self.indices = range(len(nodes))
        names = [each.rules.name for each in nodes]
        self.orders = [
            (order, {names[i]: names[order[i]] for i in self.indices})
            for order in permutations(self.indices)
        ]
        self.which = {order: which for which, (order, _names) in enumerate(self.orders)}
        self.alike = len({_but_for_its_name(each) for each in nodes}) == 1
        self.modulus = modulus
        self.renamed: dict[tuple[int, int, int], int] = {}
        self.orbits: list[dict[int, int]] = [{} for _ in nodes]
        free = self.disks.enter(Record(False, 0, b""))
        self.start = (free, *(book.enter(OFF) for book in self.books))

    def explore(self, limit: int = 5_000_000) -> Found:
        """All that can happen, from a free lock and nodes that do not run."""
        with counting(self.modulus):
            return self._explore(limit)

    def _explore(self, limit: int) -> Found:
        start = self._ordered(self.start)
        came: dict[State, State] = {start: start}
        now = [start]
        held = False
        active = [book.active for book in self.books]
        while now:
            later: list[State] = []
            for state in now:
                for after, _actor, _name in self._after(state):
                    ordered = self._ordered(after)
                    if ordered in came:
                        continue
                    came[ordered] = state
                    holders = sum(
                        known[number] for known, number in zip(active, ordered[1:], strict=True)
                    )
                    held = held or holders > 0
                    if holders > 1:
                        return Found(len(came), self._story(came, ordered), held)
                    later.append(ordered)
            if len(came) > limit:
                raise AssertionError(f"more than {limit} states")
            now = later
        return Found(len(came), [], held)

    def _after(self, state: State) -> Iterator[tuple[State, int, str]]:
        disk, *numbers = state
        ticked = [book.tick(number) for book, number in zip(self.books, numbers, strict=True)]
        if NEVER not in ticked:
            yield (disk, *ticked), NEVER, ""
        for i in self.indices:
            for name, after, written, by in self.books[i].moves(numbers[i], disk):
                all_after = [*numbers]
                all_after[i] = after
                if written == NEVER:
                    yield (disk, *all_after), i, name
                else:
                    for j in self.indices:
                        all_after[j] = self.books[j].shift(all_after[j], by)
                    yield (written, *all_after), i, name

    # Nodes that differ in nothing but their names: it does not matter which is which.

    def _ordered(self, state: State) -> State:
        which = self._order(state)
        return self._reordered(state, which) if which else state

    def _order(self, state: State) -> int:
        """Which of the orders sorts the nodes of a state; 0 if they are, or differ in more."""
        if not self.alike:
            return 0
        orbits = [self._orbit(i, state[i + 1]) for i in self.indices]
        if all(orbits[i] <= orbits[i + 1] for i in self.indices[:-1]):
            return 0
        ranks = sorted(self.indices, key=orbits.__getitem__)
        return self.which[tuple(ranks.index(i) for i in self.indices)]

    def _reordered(self, state: State, which: int) -> State:
        order = self.orders[which][0]
        new = [self._disk_renamed(state[0], which)] * len(state)
        for i in self.indices:
            new[order[i] + 1] = self._renamed(i, state[i + 1], which)
        return tuple(new)

    def _orbit(self, i: int, number: int) -> int:
        """The same number for situations that differ in names alone."""
        try:
            return self.orbits[i][number]
        except KeyError:
            found = self.orbits[i][number] = min(
                self._renamed(i, number, which)
                for which, (order, _names) in enumerate(self.orders)
                if order[i] == 0
            )
            return found

    def _renamed(self, i: int, number: int, which: int) -> int:
        try:
            return self.renamed[i, number, which]
        except KeyError:
            order, names = self.orders[which]

            def change(old: Record) -> Record:
                return Record(old.locked, old.count, names.get(old.name, old.name))

            new = self.books[order[i]].enter(_changed(self.books[i].all[number], change))
            self.renamed[i, number, which] = new
            return new

    def _disk_renamed(self, disk: int, which: int) -> int:
        old = self.disks.all[disk]
        names = self.orders[which][1]
        return self.disks.enter(Record(old.locked, 0, names.get(old.name, old.name)))

    def _story(self, came: dict[State, State], last: State) -> list[str]:
        path = [last]
        while came[path[-1]] != path[-1]:
            path.append(came[path[-1]])
        names = [each.rules.name.decode() for each in (book.node for book in self.books)]
        who = list(self.indices)  # which node of the story stands where in the sorted state
        story: list[str] = []
        time = 0
        for state, wanted in pairwise(reversed(path)):
            after, actor, name = next(
                each for each in self._after(state) if self._ordered(each[0]) == wanted
            )
            if actor == NEVER:
                time += 1
            else:
                disk = self.disks.all[after[0]]
                line = f"{names[actor]} {name}"
                line = f"{line:30} [{'l' if disk.locked else 'u'} {disk.name.decode()}]"
                told = {names[i]: names[who[i]] for i in self.indices}
                story.append(f"{time:3} {_retold(line, told)}")
            order = self.orders[self._order(after)][0]
            who = [who[order.index(i)] for i in self.indices]
        return story


def _retold(line: str, names: dict[str, str]) -> str:
    """The line with other names; they stand alone in it."""
    return " ".join(
        names.get(word.rstrip("]"), word.rstrip("]")) + "]" * word.endswith("]")
        for word in line.split(" ")
    )


def _word(record: Record | None) -> str:
    assert record is not None
    return f"{'l' if record.locked else 'u'} {record.name.decode()}"


def _but_for_its_name(node: Node) -> object:
    rules = node.rules
    slots = {*_slots(type(rules)), *getattr(rules, "__dict__", ())}
    facts = [(name, getattr(rules, name)) for name in sorted(slots - {"name"})]
    return type(rules), tuple(facts), frozenset(node.pace.items()), node[2:]


def explore(*nodes: Node, cap: int, modulus: int = 8, limit: int = 5_000_000) -> Found:
    return Model(*nodes, cap=cap, modulus=modulus).explore(limit)
