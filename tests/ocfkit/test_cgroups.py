"""Control groups on machines that this one is not: trees of ordinary files and folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocfkit.linux import cgroups


class Machine:
    """A made-up /proc/self and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.top = folder / "cgroup"
        self.top.mkdir()
        self.groups: list[str] = []
        self.mounts = ["22 1 0:20 / / rw - ext4 /dev/sda1 rw"]

    def mount(self, kind: str, names: str, *, root: str = "/", path: str = "/") -> Path:
        """Mount a hierarchy; `root` is what its top shows, `path` where we are in it."""
        point = self.top / (names or "unified")
        point.mkdir()
        options = f"rw,{names}" if names else "rw,nsdelegate"
        self.mounts.append(
            f"30 22 0:30 {root} {point} rw,nosuid shared:9 - {kind} cgroup {options}"
        )
        number = 0 if kind == "cgroup2" else len(self.mounts)
        self.groups.append(f"{number}:{names}:{path}")
        return point

    def hierarchies(self) -> list[tuple[str, set[str], bool]]:
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in self.groups))
        (self.proc / "mountinfo").write_text("\n".join(self.mounts) + "\n")
        found = cgroups.hierarchies(str(self.proc))
        return [
            (str(Path(each.folder).relative_to(self.top)), each.controllers, each.unified)
            for each in found
        ]


@pytest.fixture(name="machine")
def made_up_machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def delegate(folder: Path, names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.subtree_control").write_text(names + "\n")


def test_version_1_has_a_place_for_every_controller(machine: Machine) -> None:
    machine.mount("cgroup", "cpu,cpuacct", path="/user.slice")
    machine.mount("cgroup", "memory", path="/user.slice/session-1.scope")
    machine.mount("cgroup", "pids")
    machine.mount("cgroup", "name=systemd")
    assert machine.hierarchies() == [
        ("cpu,cpuacct/user.slice", {"cpu"}, False),
        ("memory/user.slice/session-1.scope", {"memory"}, False),
        ("pids", {"pids"}, False),
    ]


def test_version_2_takes_the_nearest_group_that_hands_everything_on(machine: Machine) -> None:
    point = machine.mount("cgroup2", "", path="/user.slice/user-0.slice/session-1.scope")
    delegate(point, "cpuset cpu io memory pids")
    delegate(point / "user.slice", "cpu memory pids")
    delegate(point / "user.slice/user-0.slice", "memory pids")
    delegate(point / "user.slice/user-0.slice/session-1.scope", "")
    assert machine.hierarchies() == [("unified/user.slice", {"cpu", "memory", "pids"}, True)]


def test_version_2_that_hands_on_a_part_gives_that_part(machine: Machine) -> None:
    point = machine.mount("cgroup2", "", path="/app")
    delegate(point, "pids")
    delegate(point / "app", "")
    assert machine.hierarchies() == [("unified", {"pids"}, True)]


def test_version_2_without_controllers_beside_version_1_is_left_alone(machine: Machine) -> None:
    machine.mount("cgroup", "pids")
    delegate(machine.mount("cgroup2", ""), "")
    assert machine.hierarchies() == [("pids", {"pids"}, False)]


def test_in_a_container_with_a_cgroup_namespace_the_top_is_ours(machine: Machine) -> None:
    delegate(machine.mount("cgroup2", "", root="/", path="/"), "cpu memory pids")
    assert machine.hierarchies() == [("unified", {"cpu", "memory", "pids"}, True)]


def test_in_a_container_that_sees_a_part_of_the_hierarchy_the_path_is_shortened(
    machine: Machine,
) -> None:
    machine.mount("cgroup", "pids", root="/docker/abc", path="/docker/abc/inner")
    machine.mount("cgroup", "memory", root="/docker/abc", path="/docker/abc")
    assert machine.hierarchies() == [
        ("pids/inner", {"pids"}, False),
        ("memory", {"memory"}, False),
    ]


def test_a_machine_without_control_groups_has_no_place(machine: Machine) -> None:
    assert machine.hierarchies() == []
    (machine.proc / "cgroup").unlink()
    assert cgroups.hierarchies(str(machine.proc)) == []


def test_a_place_that_cannot_be_written_is_a_note_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "memory").touch()  # no folder: mkdir fails below it, for root too
    (tmp_path / "pids").mkdir()
    places = [
        cgroups.Hierarchy(str(tmp_path / name), {name}, unified=False)
        for name in ("memory", "pids")
    ]
    tree = cgroups.Tree(places, "ours")
    assert tree.controllers == {"pids"}
    assert tree.notes == [f"no control group below {tmp_path}/memory: Not a directory"]


def tree_with(folder: Path, names: str, *, unified: bool) -> cgroups.Tree:
    """A group of ours, with the files that a kernel would put there."""
    controllers = {"cpu", "memory", "pids"}
    tree = cgroups.Tree([cgroups.Hierarchy(str(folder), controllers, unified=unified)], "ours")
    for name in names.split():
        (folder / "ours" / name).touch()
    return tree


def limits_in(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in (folder / "ours").iterdir()}


def test_limits_are_written_in_the_words_of_version_1(tmp_path: Path) -> None:
    names = "pids.max memory.limit_in_bytes memory.memsw.limit_in_bytes cpu.shares"
    tree = tree_with(tmp_path, names, unified=False)
    tree.limit(processes=512, memory=1000, cpu_weight=25)
    assert tree.notes == []
    assert limits_in(tmp_path) == {
        "pids.max": "512",
        "memory.limit_in_bytes": "1000",
        "memory.memsw.limit_in_bytes": "1000",
        "cpu.shares": "256",
    }


def test_limits_are_written_in_the_words_of_version_2(tmp_path: Path) -> None:
    names = "pids.max memory.max memory.swap.max cpu.weight cgroup.subtree_control"
    tree = tree_with(tmp_path, names, unified=True)
    tree.share()
    tree.limit(processes=512, memory=1000, cpu_weight=25)
    assert tree.notes == []
    assert limits_in(tmp_path) == {
        "pids.max": "512",
        "memory.max": "1000",
        "memory.swap.max": "0",
        "cpu.weight": "25",
        "cgroup.subtree_control": "+cpu +memory +pids",
    }


@pytest.mark.parametrize("unified", [False, True])
def test_a_limit_that_could_not_be_set_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unified: bool
) -> None:
    monkeypatch.setattr(cgroups, "_has_swap", lambda: True)
    tree = tree_with(tmp_path, "", unified=unified)
    tree.limit(processes=1, memory=1, cpu_weight=25)
    named = {note.split()[0] for note in tree.notes}
    assert named == (
        {"pids.max", "memory.max", "memory.swap.max", "cpu.weight"}
        if unified
        else {"pids.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.shares"}
    )


@pytest.mark.parametrize("unified", [False, True])
def test_what_met_a_limit_is_counted(tmp_path: Path, *, unified: bool) -> None:
    tree = tree_with(tmp_path, "", unified=unified)
    assert (tree.oom_kills(), tree.refused_forks()) == (0, 0)
    memory = "memory.events" if unified else "memory.oom_control"
    lines = "low 0\nmax 9\noom 5\noom_kill 3\noom_group_kill 7\n"
    if not unified:
        lines = "oom_kill_disable 1\nunder_oom 1\noom_kill 3\n"
    (tmp_path / "ours" / memory).write_text(lines)
    (tmp_path / "ours" / "pids.events").write_text("max 41\n")
    assert (tree.oom_kills(), tree.refused_forks()) == (3, 41)


def test_a_count_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    tree = tree_with(tmp_path, "", unified=True)
    (tmp_path / "ours" / "memory.events").write_text("oom_kill\nnonsense here now\n")
    assert tree.oom_kills() == 0


def test_groups_within_groups_are_removed_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "ours" / "1" / "inner").mkdir(parents=True)
    cgroups.remove(str(tmp_path / "ours"))
    assert not (tmp_path / "ours").exists()
    cgroups.remove(str(tmp_path / "ours"))


def test_what_is_listed_in_a_group_and_below_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ordinary files go on listing what has died, so the wait for that is made short."""
    monkeypatch.setattr(cgroups, "_REMOVAL", 0.05)
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    below = tmp_path / "1"
    below.mkdir()
    for folder, sleeper in zip((tmp_path, below), sleepers, strict=True):
        (folder / "cgroup.procs").write_text(f"0\n{sleeper.pid}\n")
    cgroups.kill(str(tmp_path))
    assert [sleeper.wait(5) for sleeper in sleepers] == [-9, -9]


def test_a_group_is_held_as_long_as_its_maker_lives(tmp_path: Path) -> None:
    place = cgroups.Hierarchy(str(tmp_path), {"pids"}, unified=False)
    maker = (
        "import sys; from ocfkit.linux import cgroups;"
        f"place = cgroups.Hierarchy({str(tmp_path)!r}, {{'pids'}}, unified=False);"
        "tree = cgroups.Tree([place], 'x');"
        "tree.hold(); print('made', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", maker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        assert cgroups.is_held(f"{place.folder}/x")
        process.kill()
        process.wait()
    assert not cgroups.is_held(f"{place.folder}/x")
