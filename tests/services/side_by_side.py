"""Tests that wait most of their time, all under way at once.

    @side_by_side
    def test_a_living_holder_keeps_its_lock(nodes: Contest) -> None: ...

The first of them whose turn it is starts all of its file that were selected, some at a time; each
reports when it is its own turn. It is given a contest, which nobody else has and which is closed
with it, and its parameters. What it returns is printed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.services import loops, sfex_nodes
from tests.services.sfex_nodes import Contest

AT_ONCE = 12
"""Each is some processes, which need a processor to start and hardly any afterwards."""

Scene = Callable[..., str | None]
Outcomes = dict[str, Future[str | None]]


def side_by_side(scene: Scene) -> Callable[..., None]:
    """Make it such a test."""

    def test(request: pytest.FixtureRequest, stage: Outcomes, **_: object) -> None:
        said = stage[request.node.nodeid].result()
        if said:
            print(said)

    _, *parameters = inspect.signature(scene).parameters.values()
    own = list(inspect.signature(test).parameters.values())[:2]
    for name, value in {
        "__name__": scene.__name__,
        "__doc__": scene.__doc__,
        "__module__": scene.__module__,
        "__signature__": inspect.Signature([*own, *parameters]),
        "scene": scene,
    }.items():
        setattr(test, name, value)
    return test


@contextmanager
def played(root: Path, items: list[pytest.Function]) -> Generator[Outcomes]:
    """Those of the items that are scenes, under way."""
    with loops.folder() as folder, sfex_nodes.field(root, folder) as locks:
        grounds: dict[str, Callable[[], AbstractContextManager[Contest]]] = {
            "nodes": locks.contest,
            "torn": lambda: sfex_nodes.torn(root, folder),
        }
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            outcomes: Outcomes = {}
            for item in items:
                scene: Scene | None = getattr(item.obj, "scene", None)
                if scene is not None:
                    ground = grounds[next(iter(inspect.signature(scene).parameters))]
                    given = item.callspec.params if hasattr(item, "callspec") else {}
                    outcomes[item.nodeid] = pool.submit(_play, scene, ground, given)
            yield outcomes
        finally:
            pool.shutdown(cancel_futures=True)


def _play(
    scene: Scene, ground: Callable[[], AbstractContextManager[Contest]], given: dict[str, object]
) -> str | None:
    with ground() as contest:
        return scene(contest, **given)
