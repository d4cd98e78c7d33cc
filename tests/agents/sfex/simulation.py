"""A few nodes and a disk, in a time of their own, with whatever goes wrong in between.

One seed is one course of events: what an I/O does and how long it takes, who stands still, sleeps,
is killed, crashes and comes back with the same name, whose clock is fast. All nodes run the lease
code. What must hold is looked at after each step; `Violation` names the seed, and

    python -m tests.agents.sfex.simulation SEED [WEATHER]

tells what happened before. The guardian is somebody else's process: it never stands still unless
the whole node does, and a node that stood still longer than its lease is silenced as it wakes up.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.messages import (
    TAKEN,
    Exit,
    Extend,
    Fence,
    Hold,
    Lease,
    Malformed,
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
from ocfkit.agents.sfex.record import COUNTS, Record
from ocfkit.agents.sfex.stages import Colliding, Confirming, Extending, Holding, Idle, Watching
from ocfkit.agents.sfex.timing import SECOND, Now, Timing

if TYPE_CHECKING:
    from ocfkit.agents.sfex.messages import Command, Event
    from ocfkit.agents.sfex.stages import Stage

TIMINGS = [
    Timing.of(collision=c * SECOND, lock=t * SECOND, interval=m * SECOND)
    for c, t, m in ((2, 8, 2), (1, 4, 1), (3, 12, 6), (1, 100, 10))
]
TIMING = TIMINGS[0]
MILLISECOND = SECOND // 1000

Maker = Callable[[Timing, bytes], Protocol]


class Weather(NamedTuple):
    """How often something goes wrong: of one I/O, or of one thing that an operator does."""

    slow: float = 0.0
    """An I/O takes up to the time that is expected at most."""
    late: float = 0.0
    """An I/O takes any time, up to twice lock_timeout."""
    errors: float = 0.0
    """A read fails; a write fails, having landed, landing later, or never."""
    stalls: float = 0.0
    """After a step, the keeper stands still for any time."""
    freezes: float = 0.0
    """The whole node does."""
    suspends: float = 0.0
    """And one of its clocks."""
    kills: float = 0.0
    crashes: float = 0.0
    flips: float = 0.0
    """A read brings something else than what is there, or a bit of that changes."""
    silent: float = 0.0
    """A write is said to have landed, and has not."""
    rates: int = 0
    """Parts per million by which clocks are fast or slow."""
    fencing: bool = False
    """The guardian takes nearly all the time that it has."""
    inherits: bool = False


FINE = Weather()
WEATHERS = {
    "fine": FINE,
    "slow": Weather(slow=0.3, rates=250),
    "stalls": Weather(slow=0.1, late=0.02, stalls=0.02, rates=250),
    "errors": Weather(slow=0.1, late=0.01, errors=0.05, stalls=0.01),
    "sleep": Weather(suspends=0.01, freezes=0.01, stalls=0.005, slow=0.05, rates=250),
    "naps": Weather(suspends=0.04, stalls=0.03),
    "deaths": Weather(kills=0.01, crashes=0.01, late=0.02, slow=0.1, fencing=True),
    "heirs": Weather(kills=0.03, late=0.01, slow=0.1, stalls=0.01, inherits=True),
    "flips": Weather(flips=0.01, slow=0.1),
    "silent": Weather(silent=0.03),
    "storm": Weather(
        slow=0.1,
        late=0.02,
        errors=0.02,
        stalls=0.01,
        freezes=0.003,
        suspends=0.003,
        kills=0.003,
        crashes=0.003,
        rates=250,
        fencing=True,
    ),
}


class Violation(AssertionError):  # noqa: N818 - of "what must hold"
    """Something that must hold does not."""


class Node:
    """A machine: its clocks, its keeper, its guardian."""

    def __init__(self, number: int, protocol: Protocol, rate: int) -> None:
        self.number = number
        self.name = protocol.name
        self.protocol = protocol
        self.rate = 1_000_000 + rate
        self.slept = 0
        self.life = 0
        """Of the keeper: what was meant for an earlier one reaches nobody."""
        self.stage: Stage = Idle()
        self.running = False
        self.down = False
        self.frozen = False
        self.stalled = False
        self.told = False
        """To stop."""
        self.deferred: list[Event] = []
        self.sleep = 0
        self.active = False
        """Something runs that needs the lock."""
        self.armed = False
        self.fired = False
        self.issued = 0
        self.held: Lease | None = None
        self.writes = 0
        """On their way, of whatever life."""
        self.began = 0

    def boot(self, time: int) -> int:
        return time * self.rate // 1_000_000

    def true(self, boot: int) -> int:
        """The first moment at which its clock has come to this."""
        return -(-boot * 1_000_000 // self.rate)


class World:
    """All of it, and what happens next."""

    def __init__(
        self,
        seed: int,
        weather: Weather = FINE,
        *,
        rules: Maker = Protocol,
        nodes: int = 3,
        timing: Timing = TIMING,
    ) -> None:
        self.random = Random(seed)  # noqa: S311 - a course of events, not a secret
        self.seed = seed
        self.weather = weather
        self.timing = timing
        self.time = 100 * SECOND
        self.steps = 0
        self.eager = False
        """Often all nodes want at once what has just become free."""
        self.disk = Record(False, self.random.randrange(COUNTS), b"")
        self.queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.entered = 0
        self.story: deque[str] = deque(maxlen=200)
        rate = self.random.randint
        self.nodes = [
            Node(i, rules(timing, f"node{i}".encode()), rate(-weather.rates, weather.rates))
            for i in range(nodes)
        ]
        self.critical = (
            timing.collision,
            timing.lease,
            timing.lock,
            timing.lease - timing.interval,
        )
        self.taken = 0
        self.fenced = 0
        self.refused = 0

    # Time.

    def after(self, delay: int, act: Callable[..., None], *args: Any) -> None:  # noqa: ANN401
        self.entered += 1
        heappush(self.queue, (self.time + delay, self.entered, act, args))

    def run(self, steps: int) -> None:
        self.eager = True
        for node in self.nodes:
            self.after(self.random.randrange(self.timing.lock), self.operate, node)
        while self.steps < steps and self.queue:
            self.once()

    def once(self) -> None:
        self.time, _entered, act, args = heappop(self.queue)
        act(*args)

    def tell(self, node: Node | None, what: str) -> None:
        self.story.append(
            f"{self.time / SECOND:12.6f} {node.name.decode() if node else '':6} {what}"
        )

    def fail(self, what: str) -> None:
        story = "\n".join(self.story)
        raise Violation(f"seed {self.seed}: {what} after {self.steps} steps\n{story}")

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def any_time(self) -> int:
        """From a millisecond to twice lock_timeout; half of all are about as long as a rule's."""
        if self.random.random() < 0.5:
            return int(self.random.choice(self.critical) * self.random.uniform(0.7, 1.3))
        return int(MILLISECOND * (2 * self.timing.lock / MILLISECOND) ** self.random.random())

    def chance(self, node: Node, chance: float) -> bool:
        """Whether something goes wrong that is all the worse while the lock changes hands."""
        if not isinstance(node.stage, Holding | Watching | Idle):
            chance = min(0.5, 8 * chance)
        return self.happens(chance)

    # What an operator and the cluster do.

    def operate(self, node: Node) -> None:
        self.after(self.random.randrange(1, self.timing.lock), self.operate, node)
        self.act(node)

    def act(self, node: Node) -> None:
        if node.down or node.frozen:
            return
        if node.running:
            choice = self.random.random()
            if choice < 0.2:
                self.stop(node)
            elif choice < 0.2 + 10 * self.weather.kills:
                self.kill(node)
            elif choice < 0.2 + 10 * (self.weather.kills + self.weather.crashes):
                self.crash(node)
        elif not node.writes:  # what a node writes is over before it starts again
            if node.active:
                # Its keeper is dead: all that needs the lock is stopped, and then the guardian.
                self.silence(node)
                node.armed = False
            self.start(node)

    def start(self, node: Node) -> None:
        self.tell(node, "starts")
        node.life += 1
        node.running = True
        node.stalled = False
        node.told = False
        node.deferred = []
        node.stage = Idle()
        node.began = self.time
        inherited = node.held if self.weather.inherits else None
        node.held = None
        self.deliver(node, node.life, Started(inherited))

    def stop(self, node: Node) -> None:
        """Whoever stops the keeper has stopped what needs the lock."""
        self.tell(node, "is told to stop")
        node.told = True
        self.silence(node)
        self.deliver(node, node.life, Stop())

    def kill(self, node: Node) -> None:
        """The keeper is killed; what needs the lock goes on, and the guardian."""
        self.tell(node, "keeper is killed")
        node.life += 1
        node.running = False

    def crash(self, node: Node) -> None:
        self.tell(node, "crashes")
        self.end(node)
        node.down = True
        self.after(self.any_time(), self.comes_up, node)

    def comes_up(self, node: Node) -> None:
        node.down = False

    def end(self, node: Node) -> None:
        node.life += 1
        node.running = False
        node.armed = False
        node.held = None
        self.silence(node)

    def silence(self, node: Node) -> None:
        if node.active and self.eager and self.random.random() < 0.5:
            for each in self.nodes:
                if not each.running:
                    self.after(self.random.randrange(self.timing.io), self.act, each)
        node.active = False

    # What stands still.

    def stand_still(self, node: Node) -> None:
        weather = self.weather
        if self.chance(node, weather.stalls) and not node.stalled:
            node.stalled = True
            self.tell(node, "keeper stands still")
            self.after(self.any_time(), self.goes_on, node, node.life)
        if self.chance(node, weather.freezes):
            self.freeze(node, self.any_time(), sleeps=False)
        elif self.chance(node, weather.suspends):
            self.freeze(node, self.any_time(), sleeps=True)

    def goes_on(self, node: Node, life: int) -> None:
        if node.life == life and node.stalled:
            node.stalled = False
            self.tell(node, "keeper goes on")
            self.catch_up(node)

    def freeze(self, node: Node, length: int, *, sleeps: bool) -> None:
        if node.frozen:
            return
        self.tell(node, "is suspended" if sleeps else "stands still")
        node.frozen = True
        self.after(length, self.thaw, node, self.time if sleeps else None)

    def thaw(self, node: Node, since: int | None) -> None:
        self.tell(node, "is back")
        node.frozen = False
        if since is not None:
            node.slept += node.boot(self.time) - node.boot(since)
        if node.armed and node.boot(self.time) >= node.issued + self.timing.lease:
            self.fence(node, "as it wakes up")
        self.look()
        self.catch_up(node)

    def catch_up(self, node: Node) -> None:
        events, node.deferred = node.deferred, []
        for each in events:
            self.deliver(node, node.life, each)

    # The keeper.

    def deliver(self, node: Node, life: int, event: Event) -> None:
        if life != node.life or not node.running:
            return
        if node.frozen or node.stalled:
            node.deferred.append(event)
            return
        boot = node.boot(self.time)
        self.steps += 1
        before = node.stage
        node.stage, commands = node.protocol.step(before, event, Now(boot, boot - node.slept))
        if isinstance(before, Colliding) and isinstance(node.stage, Extending):
            self.check(node, before.record, event)
        for each in commands:
            self.obey(node, each, before, event)
        self.look()
        self.stand_still(node)

    def wake(self, node: Node, life: int, until: int) -> None:
        if node.sleep == until:
            self.deliver(node, life, Timer())

    def obey(self, node: Node, command: Command, before: Stage, event: Event) -> None:
        match command:
            case Read():
                self.read(node)
            case Write():
                self.write(node, command.record, event)
            case Sleep():
                node.sleep = command.until
                delay = max(0, node.true(command.until) - self.time)
                self.after(delay, self.wake, node, node.life, command.until)
            case Hold():
                self.hold(node, command, before, event)
            case Fence():
                self.tell(node, f"gives up: {command.reason}")
                self.fence(node, command.reason)
            case Exit():
                self.tell(node, f"exits {command.code}: {command.reason}")
                self.refused += command.code != TAKEN
                self.end(node)

    def hold(self, node: Node, command: Hold, before: Stage, event: Event) -> None:
        if not isinstance(command, Extend):
            self.tell(node, "holds the lock")
            self.taken += 1
            if node.active:
                self.fail(f"S6: {node.name!r} takes what is still in use")
            assert isinstance(before, Confirming)
            self.check(node, command.record, event)
            node.active = not node.told
            node.armed = True
            node.fired = False
        assert isinstance(node.stage, Holding)
        node.issued = node.stage.issued
        node.held = Lease(command.record, node.issued)
        delay = max(0, node.true(command.deadline) - self.time)
        self.after(delay, self.ends, node, node.issued)

    # The guardian.

    def ends(self, node: Node, issued: int) -> None:
        """A lease does, unless it was renewed."""
        if not node.armed or node.issued != issued or node.fired or node.frozen:
            return
        node.fired = True
        most = self.timing.fencing - self.timing.lock // 500
        late = self.random.randrange(most) if self.weather.fencing else 0
        self.tell(node, f"is being fenced within {late / SECOND} s")
        self.after(late, self.fence, node, "by the guardian")

    def fence(self, node: Node, why: str) -> None:
        if not node.armed:
            return
        self.tell(node, f"is fenced {why}")
        self.fenced += 1
        self.crash(node)

    # The disk.

    def delays(self, node: Node) -> tuple[int, int]:
        """Until an I/O takes effect, and from then until it is answered."""
        random = self.random
        if self.chance(node, self.weather.late):
            return (self.any_time(), 0) if random.random() < 0.5 else (0, self.any_time())
        most = self.timing.io // 2 if self.chance(node, self.weather.slow) else MILLISECOND
        return random.randrange(most), random.randrange(most)

    def read(self, node: Node) -> None:
        first, second = self.delays(node)
        self.after(first, self.reads, node, node.life, second)

    def reads(self, node: Node, life: int, delay: int) -> None:
        event: Event
        if self.chance(node, self.weather.errors):
            event = ReadFailed("EIO")
        elif self.chance(node, self.weather.flips):
            event = self.flip(self.disk)
        else:
            event = ReadDone(self.disk)
        self.after(delay, self.deliver, node, life, event)

    def write(self, node: Node, record: Record, event: Event) -> None:
        if record.name != node.name:
            self.fail(f"S4: {node.name!r} writes {record}")
        node.writes += 1
        first, second = self.delays(node)
        if not record.locked:
            self.check_release(node, record, event)
        if self.chance(node, self.weather.errors):
            fate = self.random.randrange(3)
            if fate == 0:  # told at once, lands when it likes
                self.after(second, self.deliver, node, node.life, WriteFailed("EIO"))
                self.after(self.any_time(), self.lands, node, node.life, record, None, 0)
                return
            if fate == 1:
                self.after(first, self.vanishes, node, node.life, WriteFailed("EIO"), second)
                return
            answer: Event = WriteFailed("EIO")
        elif self.chance(node, self.weather.silent):
            self.after(first, self.vanishes, node, node.life, WriteDone(), second)
            return
        else:
            answer = WriteDone()
        self.after(first, self.lands, node, node.life, record, answer, second)

    def lands(
        self, node: Node, life: int, record: Record, answer: Event | None, delay: int
    ) -> None:
        node.writes -= 1
        self.disk = record
        self.tell(node, f"writes {record}{'' if life == node.life else ', and is dead'}")
        if answer is not None:
            self.after(delay, self.deliver, node, life, answer)

    def vanishes(self, node: Node, life: int, answer: Event, delay: int) -> None:
        node.writes -= 1
        self.tell(node, "writes, and nothing is written")
        self.after(delay, self.deliver, node, life, answer)

    def flip(self, old: Record) -> Event:
        new = self.random.choice(
            (
                Record(not old.locked, old.count, old.name),
                Record(old.locked, old.count ^ 1, old.name),
                Record(old.locked, old.count, old.name[:-1] + b"~"),
                None,
            )
        )
        self.tell(None, f"{old} is read as {new}")
        if new is None:
            return Malformed("no record")
        if self.random.random() < 0.5:
            self.disk = new
        return ReadDone(new)

    # What must hold.

    def look(self) -> None:
        active = [node for node in self.nodes if node.active and not node.frozen]
        if len(active) > 1:
            self.fail(f"S1: {' and '.join(repr(each.name) for each in active)} hold the lock")
        for node in active:
            age = node.boot(self.time) - node.issued
            if age >= self.timing.lease + self.timing.fencing:
                self.fail(f"S2: {node.name!r} is active with a lease of {age / SECOND} s")

    def check(self, node: Node, claim: Record, event: Event) -> None:
        if not isinstance(event, ReadDone) or event.record != claim:
            self.fail(f"S3: {node.name!r} goes on with a claim that is not there")

    def check_release(self, node: Node, record: Record, event: Event) -> None:
        found = event.record if isinstance(event, ReadDone) else None
        if found is None or not found.locked or found.released() != record:
            self.fail(f"S5: {node.name!r} releases what is not its own")
        if not node.armed or node.boot(self.time) - node.issued >= self.timing.lease:
            self.fail(f"S5: {node.name!r} releases what it does not hold")
        if node.active:
            self.fail(f"S5: {node.name!r} releases what something needs")


def simulate(
    seed: int,
    weather: Weather,
    steps: int,
    *,
    rules: Maker = Protocol,
    nodes: int = 3,
    timing: Timing = TIMING,
) -> World:
    """Raises Violation."""
    world = World(seed, weather, rules=rules, nodes=nodes, timing=timing)
    world.run(steps)
    return world


def main() -> None:
    seed, *weather = sys.argv[1:]
    world = World(int(seed), WEATHERS[(weather or ["storm"])[0]])
    world.story = deque(maxlen=2000)
    world.run(100_000)
    print(*world.story, sep="\n")
    print(f"{world.taken} times taken, {world.refused} refused, {world.fenced} fenced")


if __name__ == "__main__":
    main()
