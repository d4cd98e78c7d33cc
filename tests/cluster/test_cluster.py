"""The cluster is one: it starts, moves and fences; and nothing of it is left."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cluster import budget, door, image, lab
from tests.cluster import engine as engines
from tests.cluster.background import Background
from tests.cluster.conftest import NAME
from tests.cluster.engine import Engine
from tests.cluster.fence_proxy import LABEL
from tests.cluster.lab import FENCING, Cluster, LabError, Node
from tests.cluster.status import Status

TMP = "/tmp"  # noqa: S108 - of a node

DUMMY = "primitive dummy ocf:heartbeat:Dummy op monitor interval=2s timeout=10s\n"

STUBBORN = """\
#!/bin/sh
# Runs as long as its file is there; where /var/lib/stubborn is, it cannot be stopped.
case $1 in
meta-data)
	cat <<'XML'
<?xml version="1.0"?>
<resource-agent name="stubborn" version="1.0"><version>1.1</version>
<longdesc lang="en">x</longdesc><shortdesc lang="en">x</shortdesc><parameters/><actions>
<action name="start" timeout="10s"/><action name="stop" timeout="10s"/>
<action name="monitor" timeout="10s" interval="2s"/><action name="meta-data" timeout="5s"/>
</actions></resource-agent>
XML
	;;
start) : >/run/stubborn ;;
stop)
	if [ -e /run/stubborn ] && [ -e /var/lib/stubborn ]; then
		echo "ocf-exit-reason:it holds on to its disk" >&2
		exit 1
	fi
	rm -f /run/stubborn
	;;
monitor) [ -e /run/stubborn ] || exit 7 ;;
*) exit 3 ;;
esac
"""


def runs(resource: str, but: str = "") -> Callable[[Status], bool]:
    def look(now: Status) -> bool:
        seen = now.resources[resource]
        return seen.state == "Started" and len(seen.nodes) == 1 and seen.node != but

    return look


def start(cluster: Cluster, text: str, resource: str) -> Node:
    cluster.configure(text)
    now = cluster.wait_for(runs(resource), 60, f"{resource} runs")
    return cluster.node(now.resources[resource].node)


# --- what a cluster does --------------------------------------------------------------------------


def test_both_nodes_are_online_with_quorum_and_can_be_fenced(cluster: Cluster) -> None:
    now = cluster.status()
    assert now.online == {"srv01", "srv02"}
    assert now.quorum
    assert now.dc in now.online
    assert now.resources[FENCING].state == "Started"
    configured = cluster.nodes[0].run(["crm_attribute", "--query", "--name", "stonith-enabled"])
    assert "value=true" in configured.stdout


def test_a_resource_starts_and_moves_when_it_is_told_to(cluster: Cluster) -> None:
    here = start(cluster, DUMMY, "dummy")
    other = next(node for node in cluster.nodes if node is not here)
    moved = here.run(["crm", "resource", "move", "dummy", other.name])
    assert moved.code == 0, moved
    cluster.wait_for(runs("dummy", but=here.name), 30, "it has moved")
    assert cluster.resource("dummy").node == other.name
    tasks = {(each.node, each.task) for each in cluster.history("dummy")}
    assert {(here.name, "stop"), (other.name, "start")} <= tasks


def test_a_resource_leaves_a_node_in_standby(cluster: Cluster) -> None:
    here = start(cluster, DUMMY, "dummy")
    here.run(["crm", "node", "standby", here.name])
    now = cluster.wait_for(runs("dummy", but=here.name), 30, "it has moved")
    assert now.nodes[here.name].standby


def test_why_an_agent_of_ours_failed_can_be_read_in_crm_mon(cluster: Cluster) -> None:
    here = start(
        cluster,
        "primitive web ocf:ocfkit:web params port=8080 op monitor interval=2s timeout=10s "
        "meta migration-threshold=1\n",
        "web",
    )
    here.run(["pkill", "-STOP", "-f", "http.server"])
    now = cluster.wait_for(runs("web", but=here.name), 40, "it has moved")
    failure = now.resources["web"].failures[0]
    assert (failure.node, failure.operation, failure.interval) == (here.name, "monitor", 2000)
    assert "suspended" in failure.reason
    assert failure.reason in here.run(["crm_mon", "-1"]).stdout


def test_a_node_whose_stop_fails_is_fenced_and_comes_back_as_after_a_boot(
    cluster: Cluster,
) -> None:
    for node in cluster.nodes:
        node.put("/usr/lib/ocf/resource.d/lab/stubborn", STUBBORN)
    here = start(
        cluster, "primitive stubborn ocf:lab:stubborn op monitor interval=2s\n", "stubborn"
    )
    here.put("/var/lib/stubborn", "")
    here.put("/run/before", "")
    here.put(f"{TMP}/before", "")
    fenced = cluster.status().fenced(here.name)
    here.run(["crm_resource", "--ban", "--resource", "stubborn", "--node", here.name])
    now = cluster.wait_for(runs("stubborn", but=here.name), 60, "the other node runs it")
    assert now.fenced(here.name) == fenced + 1
    cluster.wait_for(lambda now: here.name in now.online, 60, "the fenced node is back")
    there = here.run(
        ["sh", "-c", f"ls /run/before {TMP}/before /run/stubborn; ls /var/lib/stubborn"]
    )
    assert there.stdout.split() == ["/var/lib/stubborn"]
    assert here.run(["test", "-d", "/run/resource-agents"]).code == 0
    here.run(["rm", "/var/lib/stubborn"])
    here.run(["crm_resource", "--clear", "--resource", "stubborn"])
    here.run(["crm", "resource", "move", "stubborn", here.name])  # unless it has already
    cluster.wait_for(
        lambda now: now.resources["stubborn"].node == here.name, 30, "it runs where it was fenced"
    )


def test_a_node_that_loses_its_power_is_replaced_and_switched_on(cluster: Cluster) -> None:
    here = start(cluster, DUMMY, "dummy")
    fenced = cluster.status().fenced(here.name)
    here.container.kill()
    now = cluster.wait_for(runs("dummy", but=here.name), 60, "the other node runs it")
    assert now.fenced(here.name) == fenced + 1
    cluster.wait_for(lambda now: here.name in now.online, 60, "the node is back")


def test_nodes_know_the_shipped_agents_and_the_examples(cluster: Cluster) -> None:
    for node in cluster.nodes:
        known = node.run(["crm_resource", "--list-agents", "ocf:ocfkit"]).stdout.split()
        assert {"http", "service", "web", "memcached"} <= set(known)


def test_a_node_has_no_right_that_could_reach_this_machine(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.container.reload()
        how = node.container.attrs["HostConfig"]
        assert how["Privileged"] is False
        assert sorted(how["CapAdd"]) == ["NET_ADMIN", "SYS_PTRACE"]
        assert not how["Binds"]
        assert not node.container.attrs["Mounts"]
        assert (how["PidMode"], how["IpcMode"]) == ("", "private")
        assert [*node.container.attrs["NetworkSettings"]["Networks"]] == [f"ocfkit-{NAME}"]


# --- what a node can reach ------------------------------------------------------------------------


def engine_says(node: Node, path: str, *options: str, certified: bool = True) -> tuple[int, str]:
    """Ask the proxy as the fence agent does; status 0 if it does not speak to us."""
    ask = ["cibadmin", "--query", "--xpath", f"//primitive[@id='{FENCING}']//nvpair"]
    values = ET.fromstring(f"<all>{node.run(ask).stdout}</all>")  # noqa: S314 - our own
    device = {each.get("name"): each.get("value") for each in values.iter("nvpair")}
    curl = ["curl", "-sS", "--path-as-is", "-w", "\n%{http_code}", *options]
    curl += ["--cacert", str(device["tlscacert"])]
    if certified:
        curl += ["--cert", str(device["tlscert"]), "--key", str(device["tlskey"])]
    done = node.run([*curl, f"https://{device['ip']}:{device['ipport']}{path}"])
    body, _, code = done.stdout.rpartition("\n")
    return int(code or 0), body


def test_a_node_sees_the_containers_of_its_own_cluster_alone(
    cluster: Cluster, engine: Engine
) -> None:
    stranger = engine.client.containers.create(
        image.node_image(engine.client), ["true"], labels={LABEL: f"{NAME}-other"}
    )
    try:
        code, body = engine_says(cluster.nodes[0], "/v1.41/containers/json?all=1")
        assert code == 200
        assert {each["Names"][0] for each in json.loads(body)} == {
            f"/ocfkit-{NAME}-srv01",
            f"/ocfkit-{NAME}-srv02",
        }
        for name in (stranger.name, stranger.id, stranger.short_id):
            for path, options in ((f"{name}/json", ()), (f"{name}/start", ("-X", "POST"))):
                asked = engine_says(cluster.nodes[0], f"/v1.41/containers/{path}", *options)
                assert asked[0] == 403, (name, path)
    finally:
        stranger.remove(force=True)


def test_a_node_can_ask_the_engine_for_nothing_else(cluster: Cluster) -> None:
    here = cluster.nodes[0]
    for path, options in (
        ("/v1.41/info", ()),
        ("/v1.41/images/json", ()),
        ("/v1.41/containers/create", ("-X", "POST")),
        (f"/v1.41/containers/ocfkit-{NAME}-srv02/exec", ("-X", "POST")),
        (f"/v1.41/containers/ocfkit-{NAME}-srv02/../../info", ()),
        (f"/v1.41/containers/ocfkit-{NAME}-srv02", ("-X", "DELETE")),
    ):
        assert engine_says(here, path, *options)[0] == 403, path
    assert here.run(["sh", "-c", "find / -xdev -name docker.sock"]).stdout == ""


def test_who_has_no_certificate_gets_no_answer(cluster: Cluster) -> None:
    path = "/v1.41/containers/json"
    assert engine_says(cluster.nodes[0], path)[0] == 200
    assert engine_says(cluster.nodes[0], path, certified=False)[0] == 0


# --- what a test does with it ---------------------------------------------------------------------


def test_a_command_in_a_node_is_bounded_and_told_apart(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    done = node.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert len(node.run(["head", "-c", "3000000", "/dev/zero"]).stdout) == 3000000
    began = time.monotonic()
    assert node.run(["sleep", "600"], timeout=1).code == lab.NO_ANSWER
    stubborn = "trap '' TERM HUP; sleep 600; sleep 600"
    assert node.run(["sh", "-c", stubborn], timeout=1).code == lab.NO_ANSWER
    assert time.monotonic() - began < 10
    assert node.run(["pgrep", "-f", "sleep 600"]).code == 1


def test_what_is_put_into_a_node_is_a_program_if_it_says_so(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    node.put("/srv/deep/er/tool", "#!/bin/sh\necho ä\n")
    assert node.run(["/srv/deep/er/tool"]).stdout == "ä\n"
    node.put("/srv/deep/er/text", "echo\n")
    assert node.run(["test", "-x", "/srv/deep/er/text"]).code == 1


def test_a_wait_in_vain_keeps_the_logs_and_says_where(cluster: Cluster) -> None:
    with pytest.raises(LabError, match="not within 0 s: pigs fly") as caught:
        cluster.wait_for(lambda now: now.resources["pig"], 0, "pigs fly")
    kept = Path(str(caught.value).rpartition("logs: ")[2])
    assert kept.is_dir()
    assert "Online: [ srv01 srv02 ]" in str(caught.value)
    names = {path.name for path in kept.iterdir()}
    shutil.rmtree(kept)
    assert {"crm_mon", "fence_proxy.log", "srv01.log.tar", "srv02.log.tar"} <= names


def test_a_configuration_that_crm_refuses_is_an_error_with_its_words(cluster: Cluster) -> None:
    with pytest.raises(LabError, match="Unknown command near <nonsense>"):
        cluster.configure("nonsense here\n")


# --- how it ends ----------------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[Cluster]:
    cluster = Cluster(f"{NAME}-other")
    yield cluster
    cluster.down()


def test_a_second_cluster_comes_and_goes_and_the_first_does_not_notice(
    cluster: Cluster, other: Cluster, engine: Engine
) -> None:
    before = cluster.status()
    other.up(1)
    assert other.status().online == {"srv01"}
    code, _ = engine_says(
        other.nodes[0], f"/v1.41/containers/ocfkit-{NAME}-srv01/kill", "-X", "POST"
    )
    assert code == 403
    proxy = other.proxy
    assert proxy.runs()
    other.down()
    assert not proxy.runs()
    assert left_of(other, engine) == []
    now = cluster.status()
    assert now.online == before.online == {"srv01", "srv02"}
    assert len(now.fencings) == len(before.fencings)


def test_an_up_that_is_interrupted_leaves_nothing(
    cluster: Cluster, other: Cluster, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def interrupt(_: Node) -> None:
        seen.extend(left_of(other, engine))
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "_install", interrupt)
    with pytest.raises(KeyboardInterrupt):
        other.up(1)
    assert seen
    assert left_of(other, engine) == []
    assert cluster.status().quorum


def test_what_a_killed_run_has_left_goes_down_all_the_same(other: Cluster, engine: Engine) -> None:
    other.up(1)
    other.close()  # nobody knows of it any more
    assert len(left_of(other, engine)) == 4
    Cluster(other.name).down()
    assert left_of(other, engine) == []


def left_of(cluster: Cluster, engine: Engine) -> list[str]:
    """Containers, networks, control groups, processes and files of a cluster."""
    label = f"{LABEL}={cluster.name}"
    containers = engine.client.containers.list(all=True, filters={"label": label})
    networks = lab.networks(engine.client, label)
    proxies = [
        " ".join(argv)
        for argv in _command_lines()
        if "tests.cluster.fence_proxy" in argv and cluster.name in argv
    ]
    files = [str(path) for path in lab.folder().glob(cluster.name)]
    made = [*containers, *networks, *budget.left(cluster.name)]
    return [*map(str, made), *proxies, *files]


def _command_lines() -> Iterator[list[str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text("utf-8", "replace").split("\0")


def test_only_one_run_at_a_time_has_a_cluster(cluster: Cluster) -> None:
    second = Cluster(cluster.name)
    with pytest.raises(LabError, match="another run"):
        second.up()
    assert cluster.status().quorum


# --- the door -------------------------------------------------------------------------------------


def says(*argv: str) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = door.main([*argv, "--name", NAME])
    return code, said.getvalue()


@pytest.mark.usefixtures("cluster")
def test_a_person_watches_a_web_server_fail_over() -> None:
    code, said = says("failover")
    assert code == 0, said
    first, last = re.findall(r"web\s+\(ocf:ocfkit:http\):\s+Started (srv0\d)", said)
    assert first != last
    assert f"web 2s-interval monitor on {first} returned 'error' (process" in said
    code, said = says("status")
    assert code == 0
    assert f"Started {last}" in said


def test_a_person_tries_an_agent_of_his_own(cluster: Cluster, tmp_path: Path) -> None:
    source = (lab.TOP / "examples/web.py").read_text("utf-8")
    own = tmp_path / "my_web.py"
    own.write_text(source.replace("class Web(", "class Mine("), "utf-8")
    code, said = says("install", str(own))
    assert code == 0, said
    known = cluster.nodes[1].run(["crm_resource", "--list-agents", "ocf:ocfkit"]).stdout.split()
    assert "my_web" in known


def test_the_door_says_what_is_not_there() -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert door.main(["status", "--name", "nobody-has-made-this"]) == 1
    assert "no cluster nobody-has-made-this is up" in said.getvalue()


def test_the_door_shares_no_disk_that_is_none() -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert door.main(["up", "--name", f"{NAME}-diskless", "--disk", os.devnull]) == 1
    assert "/dev/null is no block device of this machine" in said.getvalue()


def test_the_door_makes_no_second_cluster_of_a_name(cluster: Cluster) -> None:
    code, said = says("up")
    assert code == 1
    assert "is there already: srv01, srv02" in said
    assert cluster.status().quorum


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("containers", [[], ["one"]])
def test_an_engine_ends_with_its_last_user_if_we_have_started_it_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_ours: bool, containers: list[str]
) -> None:
    ended: list[Path] = []
    monkeypatch.setattr(engines, "folder", lambda: tmp_path)

    def runs(_: Background) -> bool:
        return is_ours

    def stop(which: Background) -> None:
        ended.append(which.pid_file)

    monkeypatch.setattr(Background, "runs", runs)
    monkeypatch.setattr(Background, "stop", stop)
    for client in (second := Client(containers), first := Client(containers)):
        share = (tmp_path / "users").open("a")
        fcntl.flock(share, fcntl.LOCK_SH)
        client.engine = Engine(client, share)  # type: ignore[arg-type]
    first.engine.close()
    assert ended == []
    second.engine.close()
    assert bool(ended) == (is_ours and not containers)


class Client:
    """What an engine is asked when it is let go of."""

    def __init__(self, containers: list[str]) -> None:
        self.containers = self
        self._containers = containers
        self.engine: Engine

    def list(self, **_: object) -> list[str]:
        return self._containers

    def close(self) -> None:
        pass
