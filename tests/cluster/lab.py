"""A real Pacemaker cluster in containers: two nodes with fencing, and ocfkit from today's wheel.

    with Cluster("mine") as cluster:                       # up(2) and, whatever happens, down()
        srv01, srv02 = cluster.nodes
        srv01.put("/srv/index.html", "Hello\\n")            # "#!…" gets to be executable
        done = srv01.run(["crm_mon", "-1"], timeout=10)    # done.code, .stdout, .stderr
        cluster.configure("primitive web ocf:ocfkit:http op monitor interval=5s")
        cluster.wait_for(lambda now: now.resources["web"].node == "srv01", 30, "web runs")
        web = cluster.resource("web")                      # .node .state .failures[0].reason
        cluster.history()                                  # the operations on record
        cluster.status().fenced("srv01")                   # how often
    with Cluster("mine", disk="/dev/loop3") as cluster:    # all nodes have it as DISK, for a lock

A node is fenced by Debian's fence_docker and comes back by itself: what it had on disk is still
there, its /run and /tmp are those of a fresh boot. When a wait fails, what the nodes have logged is
kept in a folder, and the error names it. `run` raises docker's APIError while a node is switched
off. Clusters of different names do not know of each other; of one name there is one.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
import trustme
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.cluster import budget, fence_proxy, status
from tests.cluster import engine as engines
from tests.cluster.background import Background
from tests.cluster.engine import Engine
from tests.cluster.fence_proxy import LABEL
from tests.cluster.image import node_image
from tests.cluster.status import Operation, ResourceState, Status
from tests.services.cluster_tools import INSIDE, build_wheel

TOP = Path(__file__).resolve().parents[2]
BOOT = Path(__file__).with_name("boot")

NODES_AT_MOST = 3
FENCING = "fencing"
"""The name of the resource that fences."""

DISK, SHARED = "/dev/sfex", "/srv/shared"
"""Where the nodes have the disk and the folder that they share."""

RIGHTS = ("NET_ADMIN", "SYS_PTRACE")
RIGHTS_OF_A_KEEPER = ("IPC_LOCK", "SYS_BOOT", "SYS_NICE")
"""Capabilities. Who keeps a lock locks his memory, runs first, and ends his node with reboot(2).

IPC_LOCK does without a larger limit of locked memory (mlock(2)), which an engine without
SYS_RESOURCE could not give.
"""

READY_WITHIN = 90.0
"""Seconds for the nodes to find each other and for the fencing device to start."""

NO_ANSWER = 124
"""Exit code of a command that had no end in time, as timeout(1) has it."""

_FIRST = 11
"""Last part of the address of the first node; the gateway, where the proxy listens, has 1."""
AGENTS = "/usr/local/lib/ocfkit"
"""The examples in a node, and what one tries; a launcher names the file, so it has to stay."""
_LAB = "/usr/lib/ocfkit-lab"
_ENVIRONMENT = {"HOME": "/root", "LC_ALL": "C.UTF-8"}

_INSTALL = f"""\
import sys
sys.path.append("{_LAB}")
import inside
inside.install(open("{_LAB}/ocfkit.whl", "rb").read())
"""


class LabError(Exception):
    """The cluster could not do what was asked of it; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command in a node did."""

    code: int
    stdout: str
    stderr: str


class Node:
    """A node of a cluster, switched on or off."""

    def __init__(self, container: Container, name: str) -> None:
        self.container = container
        self.name = name

    def run(
        self, argv: Sequence[str], timeout: float = 60, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a command as root, to its end; when the time is over it is killed: code 124.

        Raises docker's APIError when the node is switched off.
        """
        api: Any = self.container.client.api  # type: ignore[union-attr]
        environment = {**_ENVIRONMENT, **(env or {})}
        made = api.exec_create(self.container.id, [*argv], environment=environment)["Id"]
        out, err, ended = _listen(api.exec_start(made, socket=True), time.monotonic() + timeout)
        seen = api.exec_inspect(made)
        if not ended and seen["Running"] and _is_in(str(self.container.id), seen["Pid"]):
            # The engine's pid is that of this machine, and leads a group. A timeout(1) in there
            # would stand in the way of `pkill -f`, which finds the pattern in its arguments too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(seen["Pid"], signal.SIGKILL)
        code = seen["ExitCode"] if ended else None
        return Ran(NO_ANSWER if code is None else code, out, err)

    def put(self, path: str, text: str | bytes) -> None:
        """Write a file and its folders; what begins with `#!` gets to be executable."""
        self.put_all({path: text})

    def put_all(self, files: Mapping[str, str | bytes]) -> None:
        """Write several files at once."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, text in files.items():
                content = text.encode() if isinstance(text, str) else text
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size = len(content)
                entry.mode = 0o755 if content.startswith(b"#!") else 0o644
                entry.mtime = int(time.time())
                archive.addfile(entry, io.BytesIO(content))
        untyped: Any = self.container
        untyped.put_archive("/", packed.getvalue())

    def is_on(self) -> bool:
        """Whether its container runs."""
        self.container.reload()
        return self.container.status == "running"


def _is_in(container: str, pid: int) -> bool:
    """Whether that process of this machine is one of the container's, and nobody else's by now."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except OSError:
        return False


def _listen(stream: object, until: float) -> tuple[str, str, bool]:
    """Standard output and error of a command, and whether it has ended; the engine frames them."""
    answer: Any = stream
    connection: socket.socket = getattr(answer, "_sock", answer)
    said = {1: bytearray(), 2: bytearray()}
    pending = bytearray()
    ended = False
    try:
        while not ended and (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                read = connection.recv(1 << 16)
            except TimeoutError:
                break
            ended = not read
            pending += read
            while len(pending) >= 8:
                size = int.from_bytes(pending[4:8], "big")
                if len(pending) < 8 + size:
                    break
                said.get(pending[0], said[2]).extend(pending[8 : 8 + size])
                del pending[: 8 + size]
    finally:
        response = getattr(answer, "_response", None)
        if response is not None:
            response.close()
        answer.close()
        connection.close()  # which neither of them does
    return said[1].decode(errors="replace"), said[2].decode(errors="replace"), ended


class Cluster:
    """The cluster of that name, which is up or not."""

    def __init__(self, name: str = "lab", *, disk: str = "", shared: Path | None = None) -> None:
        """Nothing happens yet; `find` looks for one that is up, `up` makes it.

        With a block device of this machine as its disk, the nodes it makes share that, and may do
        what who keeps a lock on it has to do. They share a folder of this machine, too, if one is
        given.
        """
        if not re.fullmatch("[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"{name!r} is no name for a cluster: letters, digits and hyphens")
        self.name = name
        self.nodes: list[Node] = []
        self.disk = disk
        self.shared = shared
        self._engine: Engine | None = None
        self._lock: socket.socket | None = None
        self._asked: Node | None = None
        self._loads = 0

    # --- up and down ------------------------------------------------------------------------------

    def up(self, nodes: int = 2, wheel: Path | None = None) -> Self:
        """Make it anew: what there was of this name is gone. Wait until it is ready.

        The wheel is that of the checkout, as it is now, unless another one is given.
        """
        if not 1 <= nodes <= NODES_AT_MOST:
            raise LabError(f"{nodes} nodes: 1 to {NODES_AT_MOST} are possible")
        if self.disk and not Path(self.disk).is_block_device():
            raise LabError(f"{self.disk} is no block device of this machine")
        try:
            self._take()
            self._engine = engines.connect()
            self._remove()
            self._folder.mkdir(parents=True, mode=0o700)
            self._make(nodes, wheel or build_wheel(self._folder))
            self.wait_for(self._is_ready, READY_WITHIN, "the nodes are online and can be fenced")
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """Remove it, whatever there is of it."""
        try:
            self._take()
            if self._engine is None:  # what was made is in an engine, even if that one is off
                self._engine = engines.connect() if self._folder.exists() else engines.find()
            self._remove()
        finally:
            self.close()

    def find(self) -> bool:
        """Whether it is there; then it can be used as if this object had made it."""
        if self._engine is None:
            self._engine = engines.find()
        if self._engine is None:
            return False
        self.nodes = self._find_nodes()
        return bool(self.nodes)

    def close(self) -> None:
        """Let go of it, up or not."""
        self.nodes = []
        self._asked = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    # --- what one does with it --------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """The node of that name."""
        for each in self.nodes:
            if each.name == name:
                return each
        raise LabError(f"no node is called {name}; there are {_names(self.nodes)}")

    def configure(self, text: str) -> None:
        """Add to the configuration, in the language of crm; raises LabError with its answer."""
        self._loads += 1
        path = f"/root/configure-{self._loads}.crm"
        node = self.answering()
        node.put(path, text)
        done = node.run(["crm", "--force", "configure", "load", "update", path])
        if done.code:
            raise LabError(f"crm configure: {done.stderr.strip() or done.stdout.strip()}")

    def status(self) -> Status:
        """What the cluster says of itself, asked on a node with quorum if there is one."""
        best: Status | None = None
        for node in sorted(self.nodes, key=lambda each: each is not self._asked):
            seen = seen_from(node)
            if seen is not None and (best is None or _weight(seen) > _weight(best)):
                best, self._asked = seen, node
                if seen.quorum and node.name in seen.online:
                    return seen
        if best is None:
            raise LabError("no node answers crm_mon")
        return best

    def answering(self) -> Node:
        """A node that says how the cluster is, the one with quorum if there is one."""
        self.status()
        assert self._asked is not None
        return self._asked

    def resource(self, name: str) -> ResourceState:
        """How that resource is now."""
        now = self.status()
        try:
            return now.resources[name]
        except KeyError:
            raise LabError(f"no resource {name}; there are {', '.join(now.resources)}") from None

    def history(self, resource: str = "") -> list[Operation]:
        """The operations on record, of that resource or of all."""
        return [each for each in self.status().operations if resource in ("", each.resource)]

    def wait_for(
        self, holds: Callable[[Status], object], seconds: float, what: str = "it holds"
    ) -> Status:
        """Wait until it holds; raises LabError, with the logs kept, if it does not in time.

        A KeyError counts as no: the resource that is looked for may not be there yet.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                now = self.status()
                if holds(now):
                    return now
            except (LabError, KeyError):
                pass
            if time.monotonic() > until:
                kept = self.keep_logs()
                seen = (kept / "crm_mon").read_text("utf-8")
                raise LabError(f"not within {seconds:g} s: {what}\n{seen}\nlogs: {kept}")
            time.sleep(0.25)

    def keep_logs(self) -> Path:
        """Keep what the nodes have logged, and what crm_mon says now; the folder is new."""
        place = folder().parent / "cluster-logs"
        place.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S-")
        kept = Path(tempfile.mkdtemp(prefix=f"{self.name}-{stamp}", dir=place))
        seen: list[str] = []
        for node in self.nodes:
            (kept / f"{node.name}.boot").write_bytes(_boot_log(node))
            try:
                done = node.run(["crm_mon", "-1frA"], timeout=10)
                seen.append(f"--- crm_mon on {node.name}\n{done.stdout}{done.stderr}")
            except APIError:
                seen.append(f"--- {node.name} is switched off\n")
            _keep_folder(node, "/var/log", kept / f"{node.name}.log.tar")
        (kept / "crm_mon").write_text("\n".join(seen), "utf-8")
        if self.proxy.log.exists():
            shutil.copy(self.proxy.log, kept / "fence_proxy.log")
        return kept

    # --- how it is made ---------------------------------------------------------------------------

    @property
    def _client(self) -> docker.DockerClient:
        assert self._engine is not None, "the cluster is not up"
        return self._engine.client

    @property
    def _folder(self) -> Path:
        return folder() / self.name

    @property
    def proxy(self) -> Background:
        """The process that fences."""
        return Background(self._folder / "fence_proxy.pid", self._folder / "fence_proxy.log")

    @property
    def _network(self) -> str:
        return f"ocfkit-{self.name}"

    def _take(self) -> None:
        """Be the only one who makes or ends the cluster of this name."""
        if self._lock is not None:
            return
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0ocfkit-cluster-{self.name}")
        except OSError:
            lock.close()
            raise LabError(f"another run makes or uses the cluster {self.name}") from None
        self._lock = lock

    def _make(self, count: int, wheel: Path) -> None:
        image = node_image(self._client)
        subnet = self._make_network()
        certificates = self._start_proxy(f"{subnet}.1")
        keeping = self._keeping(count) if self.disk else {}
        names = [f"srv{number:02}" for number in range(1, count + 1)]
        addresses = [f"{subnet}.{_FIRST + number}" for number in range(count)]
        device = f"{subnet}.1 {self._port}"
        files: dict[str, str | bytes] = {
            "/usr/local/sbin/node-boot": BOOT.read_bytes(),
            "/etc/corosync/corosync.conf": corosync_conf(self.name, names, addresses),
            f"{_LAB}/inside.py": INSIDE.read_bytes(),
            f"{_LAB}/ocfkit.whl": wheel.read_bytes(),
            f"{_LAB}/cib.xml": self._cib(names, *device.split()),
            **{f"{_LAB}/{name}": text for name, text in certificates.items()},
            **{f"{AGENTS}/{path.name}": path.read_bytes() for path in examples()},
        }
        for name, address in zip(names, addresses, strict=True):
            node = self._make_node(image, name, address, keeping)
            node.put_all(files)
            self.nodes.append(node)
        for node in self.nodes:
            node.container.start()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(_install, self.nodes))

    def _make_network(self) -> str:
        """A network of its own, from the range for tests of networks; the first three bytes."""
        first = sum(self.name.encode()) % 256
        for offset in range(256):
            subnet = f"198.18.{(first + offset) % 256}"
            pool = IPAMPool(subnet=f"{subnet}.0/24", gateway=f"{subnet}.1")
            try:
                self._client.networks.create(
                    self._network,
                    driver="bridge",
                    labels={LABEL: self.name},
                    ipam=IPAMConfig(pool_configs=[pool]),
                )
            except APIError as error:
                if "overlaps" not in str(error):
                    raise
                continue
            return subnet
        raise LabError("no network is free between 198.18.0.0 and 198.18.255.255")

    def _start_proxy(self, address: str) -> Mapping[str, bytes]:
        """Start what fences; the files that a node needs to ask it."""
        authority = trustme.CA()
        server = authority.issue_cert(address)
        client = authority.issue_cert(f"nodes@{self.name}.invalid")
        authority.cert_pem.write_to_path(self._folder / "ca.pem")
        server.private_key_and_cert_chain_pem.write_to_path(self._folder / "server.pem")
        with socket.socket() as listener:
            try:
                listener.bind((address, 0))
            except OSError as error:
                raise LabError(
                    f"the engine's network {self._network} is not on this machine ({error}): "
                    "the engine has to run here"
                ) from error
            listener.listen(fence_proxy.CLIENTS)
            self._port = listener.getsockname()[1]
            # -P: not from the folder that somebody else has called us in
            argv = [sys.executable, "-P", "-B", "-m", "tests.cluster.fence_proxy"]
            self.proxy.start(
                [*argv, self.name, str(self._folder)], lend=listener.fileno(), path=TOP
            )
        return {
            "ca.pem": authority.cert_pem.bytes(),
            "cert.pem": client.cert_chain_pems[0].bytes(),
            "key.pem": client.private_key_pem.bytes(),
        }

    def _keeping(self, count: int) -> dict[str, Any]:
        """How a node is one in which a lock is kept."""
        try:
            granted = budget.grant(self._client, self.name, count)
        except budget.BudgetError as error:
            raise LabError(str(error)) from error
        return {"devices": [f"{self.disk}:{DISK}:rw"], **granted}

    def _make_node(self, image: str, name: str, address: str, keeping: dict[str, Any]) -> Node:
        api: Any = self._client.api
        endpoint = api.create_endpoint_config(ipv4_address=address, aliases=[name])
        made = api.create_container(
            image,
            hostname=name,
            name=self._container(name),
            labels={LABEL: self.name},
            host_config=api.create_host_config(
                init=True,  # takes in what the daemons leave
                shm_size="512m",  # corosync's buffers
                cap_add=[*RIGHTS, *(RIGHTS_OF_A_KEEPER if keeping else ())],
                sysctls=_ipv6(),
                binds=[f"{self.shared}:{SHARED}:rw"] if self.shared else [],
                **keeping,
            ),
            networking_config=api.create_networking_config({self._network: endpoint}),
        )
        return Node(self._client.containers.get(made["Id"]), name)

    def _container(self, node: str) -> str:
        return f"ocfkit-{self.name}-{node}"

    def _cib(self, names: Sequence[str], address: str, port: str) -> str:
        """The first configuration: fencing, and a short wait for the election of a coordinator."""
        device = {
            "ip": address,
            "ipport": port,
            "ssl": "1",
            "tlscacert": f"{_LAB}/ca.pem",
            "tlscert": f"{_LAB}/cert.pem",
            "tlskey": f"{_LAB}/key.pem",
            "api_version": "1.41",
            "pcmk_host_map": ";".join(f"{name}:{self._container(name)}" for name in names),
        }
        values = "".join(
            f'<nvpair id="{FENCING}-{name}" name="{name}" value="{value}"/>'
            for name, value in device.items()
        )
        return CIB.format(name=FENCING, values=values)

    def _is_ready(self, now: Status) -> bool:
        everyone = {node.name for node in self.nodes}
        return (
            now.quorum
            and now.online == everyone
            and now.resources[FENCING].state == "Started"
            and all((seen := seen_from(node)) and seen.online == everyone for node in self.nodes)
        )

    # --- how it ends ------------------------------------------------------------------------------

    def _find_nodes(self) -> list[Node]:
        found = [Node(each, each.attrs["Config"]["Hostname"]) for each in self._containers()]
        return sorted(found, key=lambda node: node.name)

    def _containers(self) -> list[Container]:
        return self._client.containers.list(
            all=True, filters={"label": f"{LABEL}={self.name}"}, ignore_removed=True
        )

    def _remove(self) -> None:
        self.nodes = []
        with contextlib.ExitStack() as rest:  # all of it is tried, in the order of reading upwards
            rest.callback(shutil.rmtree, self._folder, ignore_errors=True)
            rest.callback(self.proxy.stop)
            rest.callback(budget.remove, self.name)
            if self._engine is not None:
                for network in networks(self._client, f"{LABEL}={self.name}"):
                    rest.callback(_removed, network.remove)
                for container in self._containers():
                    rest.callback(_removed, container.remove, force=True, v=True)


def _removed(remove: Callable[..., object], **how: bool) -> None:
    with contextlib.suppress(NotFound):
        remove(**how)


CIB = """\
<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.0" admin_epoch="0" epoch="1" \
num_updates="0"><configuration>
<crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="lab-stonith-enabled" name="stonith-enabled" value="true"/>
<nvpair id="lab-stonith-timeout" name="stonith-timeout" value="40s"/>
<nvpair id="lab-dc-deadtime" name="dc-deadtime" value="5s"/>
</cluster_property_set></crm_config>
<nodes/>
<resources><primitive id="{name}" class="stonith" type="fence_docker">
<instance_attributes id="{name}-attributes">{values}</instance_attributes>
<operations><op id="{name}-monitor" name="monitor" interval="60s" timeout="20s"/></operations>
</primitive></resources>
<constraints/>
</configuration><status/></cib>
"""


def folder() -> Path:
    """Where clusters have their files, and where logs are kept."""
    return engines.folder().parent / "clusters"


def networks(client: docker.DockerClient, label: str) -> list[Network]:
    """The networks with that label."""
    untyped: Any = client.networks
    found: list[Network] = untyped.list(filters={"label": label})
    return found


def names_of_all() -> list[str]:
    """The clusters that are there, whoever made them."""
    engine = engines.find()
    if engine is None:
        return []
    try:
        found = networks(engine.client, LABEL)
        return sorted({str(each.attrs["Labels"][LABEL]) for each in found})
    finally:
        engine.close()


def examples() -> list[Path]:
    """The agents to copy, which the nodes know as ocf:ocfkit:NAME too."""
    return sorted((TOP / "examples").glob("*.py"))


def corosync_conf(name: str, nodes: Sequence[str], addresses: Sequence[str]) -> str:
    """Its configuration; an opening brace ends its line, a key has a line of its own."""
    return "\n".join(_corosync_lines(name, nodes, addresses)) + "\n"


def _corosync_lines(name: str, nodes: Sequence[str], addresses: Sequence[str]) -> Iterator[str]:
    yield from ("totem {", "version: 2", f"cluster_name: {name}")
    yield from ("transport: udpu", "token: 2000", "}")
    yield from ("logging {", "to_syslog: no", "to_stderr: no", "to_logfile: yes")
    yield from ("logfile: /var/log/corosync/corosync.log", "timestamp: hires", "}")
    yield from ("quorum {", "provider: corosync_votequorum")
    if len(nodes) == 2:
        yield "two_node: 1"
    yield from ("}", "nodelist {")
    for number, (node, address) in enumerate(zip(nodes, addresses, strict=True), start=1):
        yield from ("node {", f"ring0_addr: {address}", f"name: {node}", f"nodeid: {number}", "}")
    yield "}"


def _ipv6() -> dict[str, str]:
    """An IPv6 loopback, as every Debian has one and an engine's container has not."""
    has_it = os.path.isdir("/proc/sys/net/ipv6")
    return {"net.ipv6.conf.all.disable_ipv6": "0"} if has_it else {}


def _install(node: Node) -> None:
    """Install the wheel, and let the cluster know its agents and the examples."""
    done = node.run(["python3", "-Ic", _INSTALL])
    if done.code:
        raise LabError(f"{node.name}: the wheel: {done.stderr}")
    done = node.run(["ocfkit", "install"])
    if done.code:
        raise LabError(f"{node.name}: ocfkit install: {done.stderr}")
    done = node.run(["ocfkit", "install", *(f"{AGENTS}/{path.name}" for path in examples())])
    if done.code:
        raise LabError(f"{node.name}: ocfkit install of the examples: {done.stderr}")


def seen_from(node: Node) -> Status | None:
    """The cluster as that node sees it; None if it does not answer."""
    try:
        done = node.run(status.ASK, timeout=10)
        return status.parse(done.stdout)
    except (APIError, ValueError):  # switched off, or on its way
        return None


def _weight(seen: Status) -> tuple[bool, int]:
    return seen.quorum, len(seen.online)


def _names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.name for node in nodes) or "none"


def _boot_log(node: Node) -> bytes:
    untyped: Any = node.container
    said: bytes = untyped.logs()
    return said


def _keep_folder(node: Node, path: str, file: Path) -> None:
    untyped: Any = node.container
    with contextlib.suppress(APIError), file.open("wb") as out:
        out.writelines(untyped.get_archive(path)[0])
