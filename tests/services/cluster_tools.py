"""The cluster's own tools on an agent: ocf-tester, crm_resource, crm and pcs, without a cluster.

    stopped, started = machine.run(
        *configured("ocf:heartbeat:Dummy", ["state=/tmp/state"]), forced("check"), forced("start")
    )[-2:]

Each call of `run` is a machine of its own, with ocfkit installed from the wheel and a network of
its own; its commands share it, and afterwards it is gone, daemons and all. An agent is named as a
cluster names it, `ocf:PROVIDER:TYPE`, its parameters are `name=value`.
"""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from tests.services.roots import ENTER

TOP = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside.py")

AGENTS = "/usr/lib/ocf/resource.d"
CIB = "/tmp/cib.xml"  # noqa: S108 - in there it is private
RESOURCE = "lab"
"""The name of the resource under test, wherever one is needed."""

Command = str | Sequence[str]
"""A fragment for `sh -eu`, or a program and its arguments."""

ForcedAction = Literal[
    "start", "stop", "check", "check=10", "promote", "demote", "validate", "validate=10"
]


class MachineError(Exception):
    """No answers came from a machine, or it could not be prepared; the text is what it printed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command did."""

    command: str
    """As it would be typed."""
    code: int
    """As a shell has it: 124 for no answer in time, 126 and 127 for a program that cannot run."""
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        head = f"$ {self.command}\n  → {self.code} after {self.seconds:.2f} s\n"
        lines = (self.stdout + self.stderr).splitlines()
        return head + "".join(f"  | {line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Machine:
    """How to make a machine; `dataclasses.replace` makes it another."""

    root: Path
    wheel: Path
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path → text of files to write first; what begins with `#!` gets to be executable."""
    prepare: Sequence[Command] = ()
    """Commands to run before those that are asked for; each of them must succeed."""

    def run(self, *commands: Command, limit: float = 60) -> list[Answer]:
        """Run the commands one after the other in one new machine, whatever they answer.

        The limit, in seconds, is that of each command.
        """
        everything = [*self.prepare, *commands]
        answers = self._answers(everything, limit)
        print(*answers, sep="")  # pytest shows it if the test fails
        for answer in answers[: len(self.prepare)]:
            if answer.code:
                raise MachineError(str(answer))
        return answers[len(self.prepare) :]

    def _answers(self, commands: Sequence[Command], limit: float) -> list[Answer]:
        job = {
            "wheel": base64.b64encode(self.wheel.read_bytes()).decode(),
            "files": dict(self.files),
            "commands": [_argv(command) for command in commands],
            "limit": limit,
        }
        alone = ["unshare", "--net", "--ipc"]  # shared memory of another machine is not left by us
        inside = [*alone, "/usr/bin/python3", "-IBc", INSIDE.read_text("utf-8")]
        done = subprocess.run(
            [ENTER, "machine", self.root, *inside],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60 + limit * len(commands),
            check=False,
        )
        if done.returncode:
            raise MachineError(done.stderr)
        said = json.loads(done.stdout)
        return [
            Answer(_typed(command), **each) for command, each in zip(commands, said, strict=True)
        ]


def _argv(command: Command) -> list[str]:
    return ["sh", "-euc", command] if isinstance(command, str) else list(command)


def _typed(command: Command) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def build_wheel(place: Path) -> Path:
    """Build the wheel of the checkout, as it is now, in an empty folder."""
    source = place / "source"
    source.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(TOP / name, source)
    for name in ("agents", "lsbcheck", "ocfkit"):
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TOP / name, source / name, symlinks=True, ignore=compiled)
    # Without isolation: the build tools of the tests' own environment, so no network.
    build = [
        sys.executable,
        "-P",
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        str(place),
    ]
    done = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(done.stdout[-3000:] + done.stderr[-3000:])
    return next(place.glob("*.whl"))


def path_of(agent: str) -> str:
    """Where the agent lies in a machine."""
    _, provider, name = agent.split(":")
    return f"{AGENTS}/{provider}/{name}"


def ocf_tester(agent: str, parameters: Sequence[str] = ()) -> Command:
    """Test the agent. A value with a quote in it would break the tester, which uses eval."""
    options = [part for parameter in parameters for part in ("-o", parameter)]
    return ["ocf-tester", "-n", RESOURCE, *options, path_of(agent)]


def empty_cib(path: str = CIB) -> Command:
    """Write the configuration of a cluster without resources."""
    return f"cibadmin --empty >{shlex.quote(path)}"


def configured(agent: str, parameters: Sequence[str] = ()) -> list[Command]:
    """Make a configuration with the agent as its resource."""
    create = ["cibadmin", "--create", "--scope", "resources", "--xml-text"]
    return [empty_cib(), _on_file([*create, primitive(agent, parameters)])]


def forced(action: ForcedAction, *options: str) -> Command:
    """Run an action of the configured resource, as an administrator forces it; `check` is monitor.

    The agent's exit code is the command's.
    """
    option = f"--{action}" if action.startswith("validate") else f"--force-{action}"
    return _on_file(["crm_resource", "--resource", RESOURCE, option, *options])


def _on_file(argv: list[str]) -> list[str]:
    """Let a tool of Pacemaker read and write a file, where it would ask the cluster."""
    return ["env", f"CIB_file={CIB}", *argv]


def primitive(agent: str, parameters: Sequence[str] = ()) -> str:
    """Write the resource as Pacemaker stores it."""
    standard, provider, name = agent.split(":")
    what = {"id": RESOURCE, "class": standard, "provider": provider, "type": name}
    element = ET.Element("primitive", what)
    values = ET.SubElement(element, "instance_attributes", id=f"{RESOURCE}-parameters")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        ET.SubElement(values, "nvpair", id=f"{RESOURCE}-{key}", name=key, value=value)
    return ET.tostring(element, "unicode")


def crm_info(agent: str) -> Command:
    """Let crmsh explain the agent."""
    return ["crm", "ra", "info", agent]


def pcs_describe(agent: str) -> Command:
    """Let pcs explain the agent; it refuses meta-data that breaks its schema."""
    return ["pcs", "resource", "describe", agent]


def pcs_create(agent: str, parameters: Sequence[str] = (), *options: str) -> Command:
    """Let pcs add the agent as a resource, after `empty_cib`; its validate-all is asked as well."""
    create = ["pcs", "-f", CIB, "resource", "create", RESOURCE, agent, *parameters, *options]
    return [*create, "--agent-validation"]


def metadata(agent: str) -> Command:
    """Let Pacemaker ask the agent for its meta-data."""
    return ["crm_resource", "--show-metadata", agent]
