"""The cluster's own tools drive agents, in machines to throw away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import ocfkit
from tests.services import schemas
from tests.services.cluster_tools import (
    CIB,
    RESOURCE,
    Machine,
    MachineError,
    configured,
    crm_info,
    empty_cib,
    forced,
    metadata,
    ocf_tester,
    path_of,
    pcs_create,
    pcs_describe,
)

TOOLS = (
    "cibadmin crm crm_resource crm_verify ip memcached ocf-tester ocfkit lsbcheck pcs python3 ss "
    "xmllint"
).split()

DUMMY = "ocf:heartbeat:Dummy"
DUMMY_1_1 = "ocf:pacemaker:Dummy"

AGENTS = {
    DUMMY: ["state=/run/lab.state"],
    "ocf:ocfkit:dummy": ["state=/run/lab.state"],
    "ocf:ocfkit:memcached": ["port=11311", "memory=16"],
    "ocf:ocfkit:promotable": ["state=/run"],
    "ocf:ocfkit:web": ["port=8081"],
}
"""Each agent that the tools are tried on, and its parameters."""

each_agent = pytest.mark.parametrize(("agent", "parameters"), AGENTS.items(), ids=AGENTS.keys())

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

ECHO = "ocf:lab:echo"
ECHO_TEXT = """#!/bin/sh
echo "value=$OCF_RESKEY_value"
exit 1
"""

YES_MAN = "ocf:lab:yes-man"
YES_MAN_TEXT = """#!/bin/sh
[ "$1" != meta-data ] || exec /usr/lib/ocf/resource.d/heartbeat/Dummy meta-data
exit 0
"""


def with_examples(machine: Machine, profile: str) -> Machine:
    """A machine with the examples installed as somebody installs an agent of his own."""
    home = "/usr/local/lib/ocfkit"
    files = {f"{home}/{path.name}": path.read_text("utf-8") for path in EXAMPLES.glob("*.py")}
    install = ["ocfkit", "install", f"--profile={profile}", *sorted(files)]
    return replace(machine, files=files, prepare=[install])


@pytest.fixture(scope="module")
def modern(machine: Machine) -> Machine:
    """The examples with meta-data of OCF 1.1."""
    return with_examples(machine, "1.1")


@pytest.fixture(scope="module")
def old(machine: Machine) -> Machine:
    """The examples with meta-data that ocf-tester takes."""
    return with_examples(machine, "1.0")


# The scenarios, on any agent


@each_agent
def test_ocf_tester_passes_it(old: Machine, agent: str, parameters: Sequence[str]) -> None:
    (done,) = old.run(ocf_tester(agent, parameters))
    assert done.code == 0
    assert done.stdout.endswith(f"{path_of(agent)} passed all tests\n")


@each_agent
def test_pacemaker_forces_each_action(
    modern: Machine, agent: str, parameters: Sequence[str]
) -> None:
    expected = [
        (forced("validate"), 0),
        (forced("check"), 7),
        (forced("start"), 0),
        (forced("start"), 0),
        (forced("check"), 0),
        (forced("stop"), 0),
        (forced("stop"), 0),
        (forced("check"), 7),
    ]
    commands, codes = zip(*expected, strict=True)
    ready = replace(modern, prepare=[*modern.prepare, *configured(agent, parameters)])
    assert [done.code for done in ready.run(*commands)] == list(codes)


@each_agent
def test_crm_explains_it(modern: Machine, agent: str, parameters: Sequence[str]) -> None:
    (done,) = modern.run(crm_info(agent))
    assert (done.code, done.stderr) == (0, "")
    assert agent in done.stdout.splitlines()[0]
    for parameter in parameters:
        assert f"\n{parameter.partition('=')[0]}" in done.stdout


@each_agent
def test_pcs_explains_it(modern: Machine, agent: str, parameters: Sequence[str]) -> None:
    (done,) = modern.run(pcs_describe(agent))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{agent} - ")
    for parameter in parameters:
        assert f"\n  {parameter.partition('=')[0]} " in done.stdout.replace(":", " ")


@each_agent
def test_pcs_makes_a_resource_of_it(modern: Machine, agent: str, parameters: Sequence[str]) -> None:
    _, created, _, verified, shown, *forces = modern.run(
        empty_cib(),
        pcs_create(agent, parameters),
        f"pcs -f {CIB} property set stonith-enabled=false",
        ["crm_verify", "--xml-file", CIB],
        ["pcs", "-f", CIB, "resource", "config", RESOURCE],
        *(forced("start"), forced("check"), forced("stop")),
    )
    assert (created.code, created.stdout + created.stderr) == (0, "")
    assert (verified.code, verified.stdout + verified.stderr) == (0, "")
    for parameter in parameters:
        assert parameter in shown.stdout
    assert [done.code for done in forces] == [0, 0, 0]


# The harness


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_is_there(tool: str, where_tools_are: dict[str, str]) -> None:
    assert where_tools_are[tool].startswith("/usr/")


@pytest.fixture(scope="module")
def where_tools_are(machine: Machine) -> dict[str, str]:
    asked = machine.run(*(f"command -v {tool}" for tool in TOOLS))
    return {tool: done.stdout for tool, done in zip(TOOLS, asked, strict=True)}


def test_an_agent_that_lies_fails_ocf_tester(machine: Machine) -> None:
    lab = replace(machine, files={path_of(YES_MAN): YES_MAN_TEXT})
    (done,) = lab.run(ocf_tester(YES_MAN))
    assert done.code == 1
    assert "* rc=0: Monitoring a stopped resource should return 7" in done.stdout


def test_a_reason_reaches_the_operator(machine: Machine) -> None:
    *_, checked, validated = machine.run(
        *configured(DUMMY, ["state=/nowhere/x"]), forced("check"), forced("validate")
    )
    assert checked.code == 7
    assert validated.code == 2
    assert '(invalid parameter: State file "/nowhere/x" is not writable)' in validated.stdout


def test_pcs_refuses_what_the_agent_refuses(machine: Machine) -> None:
    _, done = machine.run(empty_cib(), pcs_create(DUMMY, ["state=/nowhere/x"]))
    assert done.code == 1
    assert 'State file "/nowhere/x" is not writable' in done.stderr


def test_a_value_arrives_as_it_is(machine: Machine) -> None:
    value = """a "quoted" & <bent> 'one' of 50 %"""
    lab = replace(machine, files={path_of(ECHO): ECHO_TEXT})
    *_, done = lab.run(*configured(ECHO, [f"value={value}"]), forced("start"))
    assert f"\nvalue={value}\n" in done.stdout


def test_ocfkit_is_there_for_everybody(machine: Machine) -> None:
    find = (
        "from importlib.metadata import entry_points as e; "
        "print(*e(group='console_scripts', name='ocfkit'))"
    )
    done = machine.run(
        ["runuser", "-u", "nobody", "--", "ocfkit", "--version"],
        ["lsbcheck", "--version"],
        ["python3", "-c", "import ocfkit.agents; print(ocfkit.agents.__file__)"],
        ["python3", "-c", find],
    )
    assert [each.stdout for each in done] == [
        f"ocfkit {ocfkit.__version__}\n",
        f"lsbcheck {ocfkit.__version__}\n",
        "/usr/lib/python3/dist-packages/ocfkit/agents/__init__.py\n",
        "EntryPoint(name='ocfkit', value='ocfkit.__main__:entry', group='console_scripts')\n",
    ]


def test_each_command_has_an_answer_of_its_own(machine: Machine) -> None:
    both, hangs, missing, denied = machine.run(
        "echo out; echo err >&2; exit 5", ["sleep", "3523"], ["no-such-tool"], ["/etc"], limit=1
    )
    assert (both.code, both.stdout, both.stderr) == (5, "out\n", "err\n")
    assert (hangs.code, hangs.stderr) == (124, "no answer within 1 s\n")
    assert missing.code == 127
    assert denied.code == 126


def test_a_daemon_lives_as_long_as_its_machine(machine: Machine) -> None:
    listeners = ["ss", "-Hltn"]
    before, started, after = machine.run(
        listeners,
        ["memcached", "-d", "-u", "root", "-l", "127.0.0.1"],
        "until ss -Hltn | grep 11211; do pgrep memcached >/dev/null; sleep 0.02; done",
        limit=10,
    )
    assert (before.stdout, started.code, after.code) == ("", 0, 0)
    assert "127.0.0.1:11211" in after.stdout
    assert machine.run(listeners)[0].stdout == ""


def test_a_machine_that_cannot_be_prepared_gives_no_answers(machine: Machine) -> None:
    with pytest.raises(MachineError, match=r"\$ exit 7\n  → 7 after"):
        replace(machine, prepare=["exit 7"]).run("true")


# The schemas


@pytest.fixture(scope="module")
def found(pacemaker: Path) -> schemas.Schemas:
    found = schemas.find()
    print(*(f"{name}: {path}" for name, path in found.paths.items()), sep="\n")
    assert all(found.paths[name] == pacemaker / path for name, path in schemas.PACKAGED.items())
    if found.missing:
        pytest.skip(f"not found in shared/schemas beside the project: {', '.join(found.missing)}")
    return found


@pytest.fixture(scope="module")
def plain_old(machine: Machine) -> str:
    """The meta-data of an agent of OCF 1.0."""
    return machine.run(metadata(DUMMY))[0].stdout


def test_every_schema_accepts_plain_old_meta_data(found: schemas.Schemas, plain_old: str) -> None:
    assert found.verdicts(plain_old.encode()) == dict.fromkeys(schemas.NAMES, True)


def test_no_schema_accepts_what_is_no_xml(found: schemas.Schemas) -> None:
    assert found.verdicts(b"no XML") == dict.fromkeys(schemas.NAMES, False)


def test_three_schemas_refuse_ocf_1_1(machine: Machine, found: schemas.Schemas) -> None:
    (done,) = machine.run(metadata(DUMMY_1_1))
    refused = [name for name, good in found.verdicts(done.stdout.encode()).items() if not good]
    assert refused == ["pcs 1.0", "resource-agents metadata.rng", "ocf-tester's DTD"]


MUTATIONS = {
    "as it is": ("", ""),
    "without a DOCTYPE": ('<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">', ""),
    "with another DTD": ("ra-api-1.dtd", "ra-api-2.dtd"),
    "with an unknown action": ('name="reload"', 'name="reload-agent"'),
    "with an unknown type": ('type="string"', 'type="select"'),
    "without a version": ("<version>1.0</version>", ""),
    "cut off": ("</resource-agent>", ""),
}


@pytest.fixture(scope="module")
def mutants(plain_old: str) -> dict[str, str]:
    assert all(old in plain_old for old, _ in MUTATIONS.values())
    return {name: plain_old.replace(old, new) for name, (old, new) in MUTATIONS.items()}


@pytest.fixture(scope="module")
def xmllint_codes(machine: Machine, mutants: dict[str, str]) -> dict[str, int]:
    """What xmllint says of each, called as ocf-tester calls it."""
    lab = replace(machine, files={f"/srv/{name}.xml": text for name, text in mutants.items()})
    lint = "cd /usr/share/resource-agents && xmllint --noout --valid -"
    asked = lab.run(*(f"{lint} <'/srv/{name}.xml'" for name in mutants))
    return {name: done.code for name, done in zip(mutants, asked, strict=True)}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_dtd_is_applied_as_ocf_tester_does(
    found: schemas.Schemas, mutants: dict[str, str], xmllint_codes: dict[str, int], name: str
) -> None:
    accepts = found.verdicts(mutants[name].encode())["ocf-tester's DTD"]
    assert accepts == (name == "as it is") == (xmllint_codes[name] == 0)
