"""What authors of agents test with, tested."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import ocfkit
from ocfkit import (
    RUNNING,
    STOPPED,
    ActionError,
    Agent,
    Daemon,
    Notice,
    State,
    action,
    monitor,
    param,
)
from ocfkit.cluster import Cluster
from ocfkit.linux import process
from ocfkit.testing import FakeCluster, Instance, Node, Outcome, run, run_process
from ocfkit.testing.instance import close_default
from tests.ocfkit.hostile import Flag
from tests.ocfkit.toy import Leader, Toy

ROOT = Path(__file__).resolve().parents[2]


class Sleeper(Daemon):
    """Sleep."""

    seconds = param.string("How long.", default="1001001")

    def command(self) -> list[str]:
        return ["sleep", self.seconds]


class Typed(Toy):
    """One parameter of each kind, and their values as somebody saw them."""

    word = param.string("A word.", default="none")
    number = param.integer("A number.", default=None)
    flag = param.boolean("A flag.", default=False)
    wait = param.duration("A time.", default="5s")
    file = param.path("A file.", default="/")
    class_ = param.string("A class.", default="none", name="class")

    seen: ClassVar[list[object]] = []

    @action
    def monitor(self) -> State:
        self.seen[:] = [self.word, self.number, self.flag, self.wait, self.file, self.class_]
        return RUNNING


class TestOutcome:
    def test_the_last_reason_is_the_one_that_the_cluster_shows(self) -> None:
        stderr = "a line\nocf-exit-reason:first\nocf-exit-reason:second\nanother line\n"
        outcome = Outcome(1, "", stderr, 0.5)
        assert outcome.reason == "second"
        assert outcome.reasons == ["first", "second"]
        assert outcome.log == "a line\nanother line\n"

    def test_says_in_a_failed_assertion_what_there_is_to_know(self) -> None:
        assert repr(Outcome(0, "", "", 0.5)) == "Outcome(0 (success), in 0.50 s)"
        assert repr(Outcome(1, "", "line\nocf-exit-reason:no\n", 2.0)) == (
            "Outcome(1 (generic error), in 2.00 s, reason 'no', log 'line\\n')"
        )
        assert repr(Outcome(-9, "", "", 2.0, timed_out=True)) == (
            "Outcome(-9 (no code of OCF), in 2.00 s, out of time)"
        )

    def test_knows_the_names_of_codes(self) -> None:
        assert Outcome(7, "", "", 0).name == "not running"
        assert Outcome(42, "", "", 0).name == "no code of OCF"


class TestParameters:
    def test_are_values_of_their_types(self, ocf: Node) -> None:
        thing = ocf(Typed, word="w", number=3, flag=True, wait=1.5, file=Path("/tmp"), class_="c")  # noqa: S108
        thing.monitor()
        assert Typed.seen == ["w", 3, True, 1.5, "/tmp", "c"]  # noqa: S108

    def test_or_text(self, ocf: Node) -> None:
        ocf(Typed, number="3", flag="on", wait="500ms").monitor()
        assert Typed.seen == ["none", 3, True, 0.5, "/", "none"]

    def test_that_are_none_are_not_set(self, ocf: Node) -> None:
        ocf(Typed, word=None, number=None).monitor()
        assert Typed.seen[:2] == ["none", None]

    def test_may_be_of_the_wrong_type(self, ocf: Node) -> None:
        outcome = ocf(Typed, number=True, flag=3, wait="x").start()
        assert outcome.code == 6
        assert outcome.reason.count("expected") == 3

    def test_may_have_names_that_mean_something_to_us(self, ocf: Node) -> None:
        class Odd(Toy):
            """Its parameters have names of ours."""

            level = param.integer("A level.", default=0)
            timeout_ = param.duration("A time.", default="5s", name="timeout")

            @action
            def monitor(self) -> State:
                assert (self.level, self.timeout_) == (7, 3.0)
                return RUNNING

        assert ocf(Odd, {"timeout": "3s"}, level=7).monitor().code == 0
        assert run(Odd, "monitor", {"level": 7, "timeout_": 3}).code == 0

    def test_go_by_the_name_of_the_cluster_too(self, ocf: Node) -> None:
        ocf(Typed, {"class": "c"}).monitor()
        assert Typed.seen[-1] == "c"

    def test_may_change_between_two_actions(self, ocf: Node) -> None:
        thing = ocf(Typed)
        thing.parameters["word"] = "changed"
        thing.monitor()
        assert Typed.seen[0] == "changed"


class TestCalls:
    class Curious(Toy):
        """It looks at how it is called."""

        called: ClassVar[dict[str, Any]] = {}

        @action(timeout="30s", interval="15s")
        def monitor(self) -> State:
            environment = self.environment
            self.called.update(
                instance=self.instance,
                interval=environment.interval,
                level=environment.check_level,
                timeout=environment.timeout,
                left=round(self.deadline.left()),
                name=environment.meta("name"),
                node=self.cluster.node,
                whole=dict(environment.whole),
            )
            return RUNNING

        def notify(self, notice: Notice) -> None:
            self.called.update(notice=f"{notice.when} {notice.action}")

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({}, {"interval": 15.0, "level": 0, "timeout": None, "left": 29, "name": "monitor"}),
            ({"level": 10}, {"level": 10}),
            ({"interval": 0}, {"interval": 0.0}),
            ({"interval": "20s"}, {"interval": 20.0}),
            ({"timeout": "1min"}, {"timeout": 60.0, "left": 59}),
            ({"timeout": 0.5}, {"timeout": 0.5}),
            ({"meta": {"name": "m", "on_node": "srv02"}}, {"name": "m", "node": "srv02"}),
        ],
    )
    def test_are_as_the_cluster_would_make_them(
        self, ocf: Node, how: dict[str, Any], expected: dict[str, object]
    ) -> None:
        ocf(self.Curious).run("monitor", **how)
        assert expected.items() <= self.Curious.called.items()

    def test_have_the_environment_of_nobody_else(
        self, ocf: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OCF_RESKEY_port", "80")
        ocf(self.Curious, env={"OCF_ROOT": None, "A": "1"}).run("monitor", env={"B": "2"})
        whole = self.Curious.called["whole"]
        assert (whole.get("OCF_RESKEY_port"), whole.get("OCF_ROOT")) == (None, None)
        assert (whole["A"], whole["B"]) == ("1", "2")
        assert whole["HA_RSCTMP"] == ocf.folder

    def test_of_a_probe_are_not_repeated(self, ocf: Node) -> None:
        ocf(self.Curious).probe()
        assert self.Curious.called["interval"] == 0.0

    def test_may_be_notifications(self, ocf: Node) -> None:
        meta = {"notify_type": "post", "notify_operation": "start"}
        assert ocf(self.Curious).run("notify", meta=meta).code == 0
        assert self.Curious.called["notice"] == "post start"

    def test_give_an_instance_its_name(self, ocf: Node) -> None:
        ocf(self.Curious, instance="web").monitor()
        assert self.Curious.called["instance"] == "web"
        assert ocf(self.Curious).name != ocf(self.Curious).name

    def test_of_meta_data_give_xml(self, ocf: Node) -> None:
        outcome = ocf(self.Curious).run("meta-data")
        assert outcome.code == 0
        assert '<resource-agent name="curious"' in outcome.stdout


class TestInProcess:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.fail.Exception])
    def test_what_ends_the_test_is_not_for_the_agent(
        self, ocf: Node, error: type[BaseException]
    ) -> None:
        class Thing(Toy):
            """A thing."""

            @action
            def monitor(self) -> State:
                raise error("stop the test")

        with pytest.raises(error, match="stop the test"):
            ocf(Thing).monitor()

    def test_the_class_is_as_before(self, ocf: Node) -> None:
        before = dict(vars(Sleeper))
        thing = ocf(Sleeper)
        assert [thing.start().code, thing.stop().code] == [0, 0]
        assert dict(vars(Sleeper)) == before
        assert list(Sleeper.needs_root) == ["start", "stop", "promote", "demote"]

    def test_the_cluster_of_this_machine_is_not_asked(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

            @action
            def start(self) -> None:
                self.cluster.set_promotion_score(10)
                self.become("start", RUNNING)

        thing = ocf(Thing)
        assert thing.start().code == 0
        assert thing.cluster.promotion_score() == "10"
        assert ocf.cluster.scores == {("node1", thing.name): "10"}

    def test_two_nodes_share_a_cluster(self, tmp_path: Path) -> None:
        class Thing(Toy):
            """A thing."""

            @action
            def start(self) -> None:
                self.cluster.set_attribute("ready", self.instance)
                self.become("start", RUNNING)

        cluster = FakeCluster("node1")
        nodes = [Node(tmp_path / name, cluster.on(name)) for name in ("node1", "node2")]
        for node in nodes:
            node(Thing, instance=f"on-{node.cluster.node}").start()
            Thing.state = STOPPED
        assert cluster.attribute("ready") == "on-node1"
        assert cluster.attribute("ready", node="node2") == "on-node2"
        for node in nodes:
            assert node.close() == []


class TestAsProcess:
    def test_the_code_the_reason_and_the_log_are_there(self, ocf: Node, tmp_path: Path) -> None:
        thing = ocf(Flag, file=tmp_path / "flag", prot=80)
        start = thing.run_process("start")
        assert (start.code, start.name, start.reason) == (0, "success", "")
        assert "there is no parameter prot" in start.log
        assert 0 < start.duration < 20
        assert thing.run_process("monitor", level=10).code == 0
        assert thing.run_process("stop").code == 0
        stopped = thing.run_process("monitor")
        assert (stopped.code, stopped.reason) == (7, f"{thing.name} is not running")

    def test_its_modules_are_told(self, ocf: Node) -> None:
        dummy = loaded_from(ROOT / "examples/dummy.py").Dummy
        thing = ocf(dummy, state="/nonexistent")
        modules = thing.run_process("monitor").modules
        assert {"dummy", "os", "ocfkit.runtime", "ocfkit.dispatch"} <= modules
        assert not {"sys", "enum", "re", "typing", "subprocess"} & modules
        probe = thing.run_process("monitor", interval=0).modules
        assert probe == modules | {"ocfkit.mistakes"}  # a repeated monitor trusts the class
        meta_data = thing.run_process("meta-data").modules
        assert "ocfkit.metadata" in meta_data
        assert "ocfkit.dispatch" not in meta_data

    def test_meta_data_has_a_profile(self, ocf: Node) -> None:
        thing = ocf(Flag)
        for profile in ("1.1", "1.0"):
            outcome = thing.run_process("meta-data", profile=profile)
            assert f"<version>{profile}</version>" in outcome.stdout

    def test_nothing_of_ours_gets_there(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OCF_RESKEY_port", "nonsense")
        monkeypatch.setenv("LANG", "nonsense")
        outcome = ocf(Mirror, copy=tmp_path / "copy", env={"A": "b"}).run_process("monitor")
        assert outcome.code == 7
        seen = (tmp_path / "copy").read_text()
        assert "nonsense" not in seen
        assert "'A': 'b'" in seen
        assert "cwd /" in seen

    @pytest.mark.parametrize(("as_root", "code"), [(True, 0), (False, 4)])
    def test_root_is_pretended_or_not(self, ocf: Node, as_root: bool, code: int) -> None:  # noqa: FBT001
        thing = ocf(Sleeper, as_root=as_root)
        assert thing.run_process("start").code == code
        assert thing.run("stop").code == code

    def test_a_class_in_a_function_is_told_to_move(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

        with pytest.raises(ValueError, match=r"Thing has to stand at the top of .*test_testing.py"):
            ocf(Thing).run_process("monitor")

    def test_what_does_not_answer_is_killed_with_all_its_group(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        (tmp_path / "stuck.py").write_text(
            textwrap.dedent(
                """
                import os, sys, time
                from ocfkit import Agent, STOPPED
                if "pytest" not in sys.modules:
                    os.fork()
                    time.sleep(60)

                class Stuck(Agent):
                    "It hangs before we are there."
                    def start(self): pass
                    def stop(self): pass
                    def monitor(self): return STOPPED
                """
            )
        )
        stuck = loaded_from(tmp_path / "stuck.py").Stuck
        outcome = ocf(stuck).run_process("monitor", timeout=0.5)
        assert outcome.timed_out
        assert outcome.code == -9
        assert "out of time" in repr(outcome)

    def test_a_daemon_that_holds_the_output_is_not_waited_for(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        began = time.monotonic()
        thing = ocf(Holder, file=tmp_path / "pid")
        assert thing.run_process("start").code == 0
        assert time.monotonic() - began < 20
        assert thing.monitor().code == 0


class Mirror(Toy):
    """Write down how it is called."""

    copy = param.path("Where.", required=True)

    @action
    def monitor(self) -> State:
        with open(self.copy, "w", encoding="utf-8") as file:
            print(dict(os.environ), "cwd", os.getcwd(), file=file)
        return STOPPED


class Holder(Agent):
    """A daemon that keeps our standard output and error, in a session of its own."""

    file = param.path("Its pid.", required=True)

    @action
    def start(self) -> None:
        with open(self.file, "w", encoding="ascii") as file:
            child = subprocess.Popen(["sleep", "1003001"], start_new_session=True)
            file.write(str(child.pid))
            child.returncode = 0  # nobody waits for it

    @action
    def stop(self) -> None:
        identity = self.identity()
        assert identity
        identity.send(9)
        identity.wait(self.deadline.left())
        os.unlink(self.file)

    @action
    def monitor(self) -> State:
        identity = self.identity()
        return RUNNING if identity and identity.stat() else STOPPED

    def identity(self) -> process.Identity | None:
        try:
            with open(self.file, encoding="ascii") as file:
                return process.identify(int(file.read()))
        except OSError:
            return None


def loaded_from(path: Path) -> Any:  # noqa: ANN401
    """Import a file that no package holds."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def alive(pid: int) -> bool:
    try:
        return process.stat(pid).state not in process.DEAD
    except OSError:
        return False


WAYS_TO_LITTER = ["child", "beside us", "orphan", "later", "silent"]


class Litterer(Agent):
    """Start a process in the start, and forget about it in the stop."""

    file = param.path("Its pid.", required=True)
    how = param.enum("How.", choices=WAYS_TO_LITTER, default="child")

    @action
    def start(self) -> None:
        child = os.fork()
        if child == 0:
            if self.how in ("orphan", "later") and os.fork():
                time.sleep(0.3 if self.how == "later" else 0)
                os._exit(0)
            if self.how != "beside us":
                os.setsid()
            with open(self.file, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
            if self.how == "silent":
                time.sleep(60)
            os.execv("/bin/sleep", ["sleep", "1002001"])  # noqa: S606
        if self.how == "orphan":
            os.waitpid(child, 0)

    @action
    def stop(self) -> None:
        os.unlink(self.file)

    @action
    def monitor(self) -> State:
        try:
            return RUNNING if os.stat(self.file).st_size else STOPPED
        except FileNotFoundError:
            return STOPPED


class TestLeftovers:
    @pytest.mark.parametrize("how", WAYS_TO_LITTER)
    @pytest.mark.parametrize("call", [Instance.run, Instance.run_process])
    def test_a_process_that_is_left_is_told_and_killed(
        self, tmp_path: Path, how: str, call: Callable[[Instance, str], Outcome]
    ) -> None:
        node = Node(tmp_path)
        file = tmp_path / "pid"
        assert call(node(Litterer, file=file, how=how), "start").code == 0
        pid = int(file.read_text())
        assert alive(pid)
        until = time.monotonic() + 20
        while process.stat(pid).ppid != os.getpid():
            assert time.monotonic() < until
            time.sleep(0.01)
        complaints = node.close()
        assert len(complaints) == 1
        assert complaints[0].startswith(f"process {pid} is left: ")
        assert not alive(pid)

    def test_what_is_still_started_is_stopped(self, tmp_path: Path) -> None:
        node = Node(tmp_path)
        things = [node(Sleeper, seconds=str(seconds)) for seconds in (1001, 1002)]
        assert [each.start().code for each in things] == [0, 0]
        assert node.close() == []
        assert node.close() == []
        again = Node(tmp_path)
        assert [again(Sleeper, instance=each.name).probe().code for each in things] == [7, 7]
        again.close()

    def test_what_cannot_be_stopped_is_told_with_the_reason(self, tmp_path: Path) -> None:
        class Stubborn(Sleeper):
            """It does not end."""

            @action
            def stop(self) -> None:
                raise ActionError("I like it here")

            def escalate(self) -> None:
                raise ActionError("I said no")

        node = Node(tmp_path)
        assert node(Stubborn).start().code == 0
        left, why = node.close()
        assert "is left: " in left
        assert "I said no" in why

    def test_children_of_the_test_itself_are_left_alone(self, tmp_path: Path) -> None:
        node = Node(tmp_path)
        with subprocess.Popen(["sleep", "infinity"]) as child:
            try:
                with subprocess.Popen(["false"]) as other:
                    thing = node(Sleeper)
                    assert [thing.start().code, thing.stop().code] == [0, 0]
                assert node.close() == []
                assert other.returncode == 1
                assert child.poll() is None
            finally:
                child.kill()

    def test_nobody_s_orphans_come_here_afterwards(self, tmp_path: Path) -> None:
        Node(tmp_path).close()
        script = "sleep 60 >&- 2>&- & echo $!"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        orphan = int(done.stdout)
        try:
            assert process.stat(orphan).ppid != os.getpid()
        finally:
            os.kill(orphan, 9)


class TestTheProcess:
    def test_is_found_suspended_and_killed(self, ocf: Node) -> None:
        thing = ocf(Sleeper)
        assert thing.start().code == 0
        found = thing.main_process()
        assert process.command_line(found.pid)[1:] == ["1001001"]
        assert thing.suspend().pid == found.pid
        assert thing.monitor().code == 1
        thing.kill()
        assert found.stat() is None
        assert thing.monitor().code == 7

    def test_of_what_does_not_run_is_none(self, ocf: Node) -> None:
        with pytest.raises(LookupError, match="no process of thing runs"):
            ocf(Sleeper, instance="thing").kill()

    def test_is_for_daemons(self, ocf: Node) -> None:
        with pytest.raises(TypeError, match="Typed is no Daemon"):
            ocf(Typed).suspend()


class TestTheDefaultNode:
    def test_remembers_from_call_to_call(self) -> None:
        assert run(Sleeper, "start").code == 0
        assert run(Sleeper, "monitor").code == 0
        assert run_process(Sleeper, "monitor").code == 0
        assert run(Sleeper, "monitor", instance="another").code == 7
        assert run(Sleeper, "stop").code == 0
        assert run(Sleeper, "monitor").code == 7

    def test_is_closed_with_what_runs_on_it(self) -> None:
        assert run(Sleeper, "start").code == 0
        assert close_default() == []
        assert run(Sleeper, "monitor").code == 7

    def test_leaves_no_folder(self) -> None:
        class Thing(Toy):
            """A thing."""

            where: ClassVar[list[str]] = []

            @action
            def start(self) -> None:
                self.where.append(self.environment.run_folder)
                self.become("start", RUNNING)

        assert run(Thing, "start").code == 0
        assert Path(Thing.where[0]).is_dir()
        close_default()
        assert not Path(Thing.where[0]).parent.exists()


def pytest_in(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    """Run a file of tests as its author would, with nothing of ours but the plugin."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "ocfkit.testing.plugin", file],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}", "PATH": os.defpath},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class TestPlugin:
    def ran(self, tmp_path: Path, text: str) -> tuple[int, str]:
        (tmp_path / "thing.py").write_text(
            textwrap.dedent(
                """
                from ocfkit import Daemon, param

                class Thing(Daemon):
                    "Sleep."
                    seconds = param.integer("How long.", default=1000)

                    def command(self):
                        return ["sleep", str(self.seconds)]
                """
            )
        )
        (tmp_path / "test_thing.py").write_text("from thing import Thing\n" + textwrap.dedent(text))
        done = pytest_in(tmp_path, "test_thing.py")
        return done.returncode, done.stdout

    def test_gives_an_author_his_fixtures(self, tmp_path: Path) -> None:
        code, text = self.ran(
            tmp_path,
            """
            def test_a_life(ocf, fake_cluster):
                thing = ocf(Thing, seconds=1001)
                assert ocf.cluster is fake_cluster
                assert thing.probe().code == 7
                assert thing.start().code == 0
                assert thing.run_process("monitor").code == 0

            def test_is_stopped_afterwards(ocf):
                assert ocf(Thing, seconds=1001).probe().code == 7
            """,
        )
        assert (code, "2 passed" in text) == (0, True), text

    def test_fails_a_test_that_leaves_a_process(self, tmp_path: Path) -> None:
        code, text = self.ran(
            tmp_path,
            """
            class Sticky(Thing):
                "It does not stop."
                def stop(self): pass
                def escalate(self): pass

            def test_leaves_something(ocf):
                assert ocf(Sticky, seconds=1002, timeout=1).start().code == 0
            """,
        )
        assert code == 1, text
        assert "1 passed, 1 error" in text
        assert "is left: " in text
        assert "sleep 1002" in text
        assert "stop of test-" in text

    def test_gives_each_test_a_node_of_its_own(self, tmp_path: Path) -> None:
        code, text = self.ran(
            tmp_path,
            """
            from ocfkit.testing import run

            def test_one():
                assert run(Thing, "start", seconds=1003).code == 0

            def test_two():
                assert run(Thing, "monitor", seconds=1003).code == 7
            """,
        )
        assert (code, "2 passed" in text) == (0, True), text

    def test_shows_the_reason_where_an_assertion_fails(self, tmp_path: Path) -> None:
        code, text = self.ran(
            tmp_path,
            """
            def test_one(ocf):
                assert ocf(Thing, seconds="long").start().code == 0
            """,
        )
        assert code == 1
        assert "parameter seconds: expected an integer" in text

    def test_is_found_by_pytest_where_we_are_installed(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        assert project["entry-points"]["pytest11"]["ocfkit"] == "ocfkit.testing.plugin"

    def test_is_not_needed_to_test_without_pytest(self) -> None:
        home = Path(ocfkit.__file__).parents[1]
        code = (
            f"import sys; sys.path.append({str(home)!r}); import ocfkit.testing\n"
            "print([each for each in sys.modules if 'pytest' in each])"
        )
        done = subprocess.run(
            [sys.executable, "-ISc", code], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")


class TestDocumentation:
    PAGE = ROOT / "docs/how-to/test-an-agent.md"
    REFERENCE = ROOT / "docs/reference/testing.md"

    def blocks(self) -> list[str]:
        return re.findall(r"```python\n(.*?)```", self.PAGE.read_text("utf-8"), re.DOTALL)

    def test_every_test_of_the_page_passes(self, tmp_path: Path) -> None:
        (tmp_path / "web.py").write_bytes((ROOT / "examples/web.py").read_bytes())
        (tmp_path / "test_web.py").write_text("\n".join(self.blocks()))
        done = pytest_in(tmp_path, "test_web.py")
        passed = "\n".join(self.blocks()).count("\ndef test_")
        assert passed >= 8
        assert f"{passed} passed" in done.stdout, done.stdout
        assert done.returncode == 0

    @pytest.mark.parametrize("cls", [Node, Instance, Outcome, FakeCluster])
    def test_every_public_name_is_in_the_reference(self, cls: type) -> None:
        text = self.REFERENCE.read_text("utf-8")
        names = {name for name in vars(cls) if not name.startswith("_")}
        names -= set(vars(Cluster)) | {"seen_by", "trouble", "cls", "node", "leftovers"}
        assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()


class TestUnittest:
    def test_without_pytest_the_end_of_the_process_closes_the_node(self, tmp_path: Path) -> None:
        code = textwrap.dedent(
            f"""
            import sys; sys.path.append({str(ROOT)!r})
            from ocfkit.testing import run
            from tests.ocfkit.hostile import Flag
            file = {str(tmp_path / "flag")!r}
            assert run(Flag, "start", file=file).code == 0
            """
        )
        subprocess.run([sys.executable, "-ISc", code], check=True, env={})
        assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize("level", [0, 10])
def test_a_check_of_an_author_is_reached(ocf: Node, level: int) -> None:
    class Deep(Toy):
        """With a check."""

        @monitor.depth(10)
        def holds(self) -> bool:
            return False

    Deep.state = RUNNING
    assert ocf(Deep).monitor(level=level).code == (1 if level else 0)
