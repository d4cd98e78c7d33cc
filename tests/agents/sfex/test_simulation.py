"""Millions of steps in all kinds of weather; whatever fails names a seed that does it again.

Two of three lines below are about what goes wrong, the rest about time when nothing does. `pytest
-s` shows how many steps there were, and how many a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.stages import Watching
from ocfkit.agents.sfex.timing import SECOND, Timing
from tests.agents.sfex import mutants
from tests.agents.sfex.simulation import (
    FINE,
    MILLISECOND,
    TIMING,
    TIMINGS,
    WEATHERS,
    Maker,
    Node,
    Violation,
    Weather,
    World,
    simulate,
)

RUNS = 80
STEPS = 2_500
"""Of each run: eleven weathers make more than two millions."""

IO = 2 * MILLISECOND
"""Longest I/O in fine weather."""


@pytest.mark.parametrize("weather", WEATHERS)
def test_the_lock_has_one_holder_at_most(weather: str) -> None:
    began = time.monotonic()
    worlds = [
        simulate(seed, WEATHERS[weather], STEPS, timing=TIMINGS[seed % len(TIMINGS)])
        for seed in range(RUNS)
    ]
    took = time.monotonic() - began
    steps = sum(each.steps for each in worlds)
    taken = sum(each.taken for each in worlds)
    fenced = sum(each.fenced for each in worlds)
    print(f"{steps} steps, {steps / took:.0f} a second: taken {taken} times, {fenced} fenced")
    assert taken > RUNS


@pytest.mark.parametrize("weather", ["fine", "slow"])
def test_a_healthy_holder_is_never_fenced(weather: str) -> None:
    for seed in range(20):
        world = simulate(seed, WEATHERS[weather], STEPS, timing=TIMINGS[seed % len(TIMINGS)])
        assert world.fenced == 0


@pytest.mark.parametrize("weather", ["fine", "storm"])
def test_a_seed_is_one_course_of_events(weather: str) -> None:
    stories = [list(simulate(7, WEATHERS[weather], 1000).story) for _ in range(2)]
    assert stories[0] == stories[1]
    assert stories[0] != list(simulate(8, WEATHERS[weather], 1000).story)


BROKEN = [
    (mutants.BelievesItsName, "deaths"),
    (mutants.BelievesUnseen, "slow"),
    (mutants.ComparesCounts, "stalls"),
    (mutants.HoldsUnseen, "silent"),
    (mutants.IgnoresWhatItSees, "flips"),
    (mutants.InheritsAnything, "heirs"),
    (mutants.LateByTheOtherClock, "naps"),
    (mutants.LateFromAfter, "naps"),
    (mutants.LooksAtNames, "flips"),
    (mutants.NeverLate, "naps"),
    (mutants.NeverOver, "stalls"),
    (mutants.ReleasesLate, "deaths"),
    (mutants.ReleasesUnseen, "fine"),
    (mutants.TakesAnythingForARecord, "flips"),
    (mutants.WaitsFromBefore, "stalls"),
]


UNLUCKY = Timing(
    collision=2 * SECOND,
    lock=8 * SECOND,
    interval=2 * SECOND,
    margin=SECOND,
    look=SECOND // 2,
    io=SECOND // 2,
)
"""Some mistakes show in one of a thousand runs. With these times the first 300 have one of each."""


@pytest.mark.parametrize(
    ("rules", "weather"), BROKEN, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_broken_rule_is_found_out(rules: Maker, weather: str) -> None:
    with pytest.raises(Violation, match=r"^seed \d+: S[1-6]: ") as violation:
        simulate_many(300, WEATHERS[weather], rules)
    print(str(violation.value).splitlines()[0])


def simulate_many(seeds: int, weather: Weather, rules: Maker) -> None:
    for seed in range(seeds):
        simulate(seed, weather, STEPS, timing=UNLUCKY, rules=rules)


class TestInTime:
    """What takes how long when nothing goes wrong."""

    def until(self, world: World, done: Callable[[], bool]) -> None:
        limit = world.time + 10 * world.timing.lock
        while not done():
            assert world.queue
            world.once()
            assert world.time < limit

    def holder(self, world: World, node: Node) -> None:
        world.start(node)
        self.until(world, lambda: node.active)

    @pytest.mark.parametrize("seed", range(20))
    def test_a_free_lock_takes_collision_timeout_and_five_io(self, seed: int) -> None:
        world = World(seed, nodes=1)
        began = world.time
        self.holder(world, world.nodes[0])
        assert world.time - began <= TIMING.collision + 5 * IO

    @pytest.mark.parametrize("seed", range(20))
    def test_a_dead_holders_lock_takes_lock_timeout_more(self, seed: int) -> None:
        world = World(seed)
        self.holder(world, world.nodes[0])
        world.crash(world.nodes[0])
        self.until(world, lambda: not world.nodes[0].writes)
        began = world.time
        self.holder(world, world.nodes[1])
        took = world.time - began
        assert TIMING.lock + TIMING.collision <= took
        assert took <= TIMING.lock + TIMING.collision + 6 * IO

    @pytest.mark.parametrize("nodes", [2, 3, 7])
    @pytest.mark.parametrize("expired", [False, True])
    def test_of_many_claims_one_wins(self, nodes: int, expired: bool) -> None:  # noqa: FBT001
        for seed in range(50):
            world = World(seed, nodes=nodes)
            world.disk = Record(expired, 7, b"gone")
            for node in world.nodes:
                world.start(node)
            while world.taken + world.refused < nodes:
                world.once()
            assert sum(each.active for each in world.nodes) == 1
            assert world.refused == nodes - 1

    @pytest.mark.parametrize("seed", range(20))
    def test_a_holder_stays_while_others_ask_for_it(self, seed: int) -> None:
        world = World(seed, WEATHERS["slow"])
        holder, *others = world.nodes
        self.holder(world, holder)
        end = world.time + 100 * TIMING.lock
        while world.time < end:
            for each in others:
                if not each.running:
                    world.start(each)
            world.once()
        assert holder.active
        assert world.taken == 1
        assert world.refused > 50

    @pytest.mark.parametrize("seed", range(20))
    def test_a_released_lock_is_seen_at_the_next_look(self, seed: int) -> None:
        world = World(seed)
        self.holder(world, world.nodes[0])
        challenger = world.nodes[1]
        world.start(challenger)
        self.until(
            world,
            lambda: isinstance(challenger.stage, Watching) and challenger.stage.record is not None,
        )
        began = world.time
        world.stop(world.nodes[0])
        self.until(world, lambda: challenger.active)
        release = 3 * IO
        assert world.time - began <= TIMING.poll + TIMING.collision + 5 * IO + release

    def test_a_stop_takes_four_io(self) -> None:
        world = World(1, nodes=1)
        self.holder(world, world.nodes[0])
        world.time += SECOND
        began = world.time
        world.stop(world.nodes[0])
        self.until(world, lambda: not world.nodes[0].running)
        assert world.time - began <= 4 * IO
        assert world.disk == Record(False, world.disk.count, world.nodes[0].name)


def test_a_free_world_goes_by_the_lease_code_itself() -> None:
    assert type(World(1, FINE).nodes[0].protocol) is Protocol
