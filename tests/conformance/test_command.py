"""`ocfkit check` as its users call it: with secrets, in other systems, without root, under load."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.conformance import agent_file
from ocfkit.conformance.check import UnknownParameterError, check
from ocfkit.conformance.rules import by_id
from ocfkit.conformance.visit import Traveller
from ocfkit.linux import process
from tests.conformance import broken
from tests.conformance.ours import SCHEMAS
from tests.namespace.quiet import TMP, QuietHost
from tests.ocfkit.command import argv, public_folder, public_python

REPOSITORY = Path(__file__).parents[2]
GOOD = broken.GOOD["shell"]
CANARY = "tweet-4711-canary"
NOBODY_ELSE = 54322
"""A user that nobody else is, so what runs under this number is ours."""

NAMED = ("-p", "name=foo", "--second", "name=bar", "--second", "port=7100")


def ocfkit(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv("check", *words),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def agent(folder: Path, **changes: str) -> Path:
    """The good agent with its service beside it, and some words of it changed."""
    shutil.copy2(GOOD.parent / "pinger.py", folder)
    text = GOOD.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / GOOD.name
    file.write_text(text)
    file.chmod(0o755)
    return file


def verdicts(report: str) -> dict[str, str]:
    rules: list[dict[str, Any]] = json.loads(report)["rules"]
    return {rule["id"]: rule["verdict"] for rule in rules}


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">/dev/full", 3, "ocfkit: the report could not be written: No space left on device\n"),
        (">&-", 0, ""),
        (">/dev/null 2>&-", 0, ""),
        ("<&- >/dev/null", 0, ""),
    ],
)
def test_streams_that_take_nothing_are_no_finding(streams: str, code: int, said: str) -> None:
    words = argv("check", GOOD, *NAMED, "--rule", "stop-when-stopped")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {streams}', "sh", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)


# --- parameters -----------------------------------------------------------------------------------


def test_a_parameter_that_the_agent_does_not_have_is_a_wrong_call() -> None:
    done = ocfkit(GOOD, *NAMED, "-p", "prot=7000", "--rule", "stop-when-stopped")
    assert (done.returncode, done.stdout) == (2, "")
    sentence = "ocfkit: the meta-data of ponger has no parameter 'prot'; did you mean port?\n"
    assert done.stderr == sentence


def test_a_second_one_is_looked_at_too_and_the_clusters_own_are_let_pass() -> None:
    with NamespaceBackend() as backend:
        good = agent_file.at(str(GOOD))
        cluster = {"name": "foo", "CRM_meta_notify": "true", "trace_ra": "1"}
        report = check(Traveller(good, backend, cluster), [by_id("name-is-the-file-name")])
        assert report.judgements["name-is-the-file-name"].verdict == "pass"
        with pytest.raises(UnknownParameterError, match="no parameter 'zzz'; it lists name, port"):
            check(Traveller(good, backend, {"name": "foo"}, {"zzz": "bar"}), ())


@pytest.mark.parametrize("format", ["text", "json", "junit", "html"])
def test_what_stands_in_a_file_is_told_to_nobody_whatever_its_name(
    tmp_path: Path, format: str
) -> None:
    """The agent writes it wherever it can, and says of nothing what it should."""
    told = 'echo "$OCF_RESKEY_name"; reason "it is $OCF_RESKEY_name"; return 1'
    leaky = agent(tmp_path, **{"\tis_there || return 7\n": f"\t{told}\n"})
    kept = tmp_path / "kept"
    kept.write_text(f"{CANARY}\n")
    words = ("-p", f"name=@{kept}", "--rule", "monitor-when-running", "--format", format)
    done = ocfkit(leaky, *words, "--rule", "start-succeeds", "--rule", "monitor-when-stopped")
    assert done.returncode == 1, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert "***" in done.stdout


def test_what_is_too_short_to_be_found_is_covered_by_its_name(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("zy7\n")
    words = ("-p", f"name=@{kept}", "--rule", "stop-when-stopped", "--format", "json")
    shown = json.loads(ocfkit(GOOD, *words).stdout)
    assert shown["parameters"] == {"name": "***"}
    assert {call["environ"]["OCF_RESKEY_name"] for call in shown["rules"][0]["calls"]} == {"***"}


# --- where the agent lies -------------------------------------------------------------------------


@pytest.fixture(name="system", scope="module")
def another_system() -> Generator[QuietHost]:
    """Another system in /tmp/system, with an agent in it that lies nowhere else."""
    with QuietHost() as host:
        system = f"{TMP}/system"
        host.call(["mkdir", "-p", *(f"{system}/{name}" for name in ("usr", "etc", "opt", "var"))])
        host.call(["mount", "--bind", "/usr", f"{system}/usr"])
        host.call(["mount", "-t", "tmpfs", "tmpfs", f"{system}/opt"])
        for name in ("bin", "sbin", "lib", "lib64"):
            host.call(["ln", "-s", f"usr/{name}", f"{system}/{name}"])
        for name in (GOOD.name, "pinger.py"):
            host.put(f"{system}/opt/{name}", (GOOD.parent / name).read_text())
        host.put(f"{TMP}/outside", '#!/bin/sh\n[ "$1" = meta-data ] || ls / >&2\nexit 3\n')
        yield host


def test_an_agent_in_a_file_of_another_system_runs_there(system: QuietHost) -> None:
    words = ("--root", f"{TMP}/system", *NAMED, "--format", "json", "--rule", "start-is-complete")
    child = system.program("ocfkit", "check", f"{TMP}/system/opt/{GOOD.name}", *words)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert json.loads(out)["service"]["daemon"][2] == "/opt/pinger.py"


def test_an_agent_outside_of_it_is_carried_there(system: QuietHost) -> None:
    words = (
        "--root",
        f"{TMP}/system",
        "--format",
        "json",
        "--rule",
        "unknown-action-is-unimplemented",
    )
    child = system.program("ocfkit", "check", f"{TMP}/outside", *words)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    (rule,) = json.loads(out)["rules"]
    assert rule["verdict"] == "pass"
    assert "tmp" in rule["calls"][0]["output"].split()
    assert "home" not in rule["calls"][0]["output"].split()


def test_an_executable_in_tmp_itself_runs() -> None:
    with QuietHost() as host:
        host.put(f"{TMP}/alone", "#!/bin/sh\nexit 3\n")
        words = ("--format", "json", "--rule", "unknown-action-is-unimplemented")
        child = host.program("ocfkit", "check", f"{TMP}/alone", *words)
        assert verdicts(child.communicate(timeout=60)[0].decode()) == {
            "unknown-action-is-unimplemented": "pass"
        }


# --- --prepare ------------------------------------------------------------------------------------


def test_what_is_prepared_is_there_in_every_machine(tmp_path: Path) -> None:
    needy = agent(
        tmp_path, **{'\t[ -r "$service" ] && return 0\n': "\t[ -e /run/set-up ] && return 0\n"}
    )
    words = (
        *NAMED,
        "--rule",
        "start-succeeds",
        "--rule",
        "monitor-after-crash",
        "--format",
        "json",
    )
    done = ocfkit(needy, *words, "--prepare", ": >/run/set-up")
    assert set(verdicts(done.stdout).values()) == {"pass"}, done.stderr
    assert ocfkit(needy, *words).returncode == 3


def test_what_cannot_be_prepared_is_an_error_of_every_rule() -> None:
    done = ocfkit(GOOD, *NAMED, "--format", "json", "--prepare", "echo no such thing >&2; exit 9")
    assert done.returncode == 3, done.stderr
    assert set(verdicts(done.stdout).values()) == {"error"}
    sentences = {rule["sentence"] for rule in json.loads(done.stdout)["rules"]}
    assert sentences == {"the command of --prepare ended with 9: no such thing"}


def test_where_the_first_machine_cannot_be_prepared_no_other_is_made() -> None:
    made: list[str] = []
    with NamespaceBackend() as backend:
        traveller = Traveller(agent_file.at(str(GOOD)), backend, {"name": "foo"}, prepare="exit 9")
        check(traveller, on_progress=made.append)
    assert made == ["meta-data"]


# --- without root ---------------------------------------------------------------------------------


@pytest.fixture(name="rootless", scope="module")
def checked_without_root() -> Generator[dict[str, Any]]:
    """The good agent, checked by an ordinary user from a copy that he may read."""
    with public_folder() as folder:
        for part in ("lsbcheck", "ocfkit", "agents", "tests/conformance/good"):
            shutil.copytree(REPOSITORY / part, folder / part, symlinks=True)
        done = subprocess.run(
            [
                *("setpriv", f"--reuid={NOBODY_ELSE}", f"--regid={NOBODY_ELSE}", "--clear-groups"),
                *(public_python(), "-B", "-m", "ocfkit", "check"),
                *("tests/conformance/good/ponger", *NAMED, "--format", "json"),
            ],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        yield json.loads(done.stdout)


def test_an_ordinary_user_gets_most_verdicts(rootless: dict[str, Any]) -> None:
    seen = verdicts(json.dumps(rootless))
    assert "fail" not in seen.values()
    assert "error" not in seen.values()
    assert list(seen.values()).count("pass") > 40


def test_what_takes_root_is_not_provoked_and_noted(rootless: dict[str, Any]) -> None:
    seen = verdicts(json.dumps(rootless))
    for rule in ("missing-program-is-told", "nobody-gets-an-answer"):
        assert seen[rule] == "not-provoked"
    assert "have no stand-ins" in " ".join(rootless["notes"])
    for pid in process.pids():
        try:
            assert process.owner(pid) != NOBODY_ELSE
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended


# --- under load -----------------------------------------------------------------------------------


@contextmanager
def busy_loops(count: int) -> Generator[None]:
    """So many processes that want a processor all the time."""
    loops = [multiprocessing.Process(target=_loop, daemon=True) for _ in range(count)]
    for each in loops:
        each.start()
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.join()


def _loop() -> None:
    while True:
        pass


def test_load_changes_no_verdict_of_the_good_agent() -> None:
    with busy_loops(2 * (os.cpu_count() or 1)):
        done = ocfkit(GOOD, *NAMED, "--format", "json")
    seen = verdicts(done.stdout)
    bad = {rule: verdict for rule, verdict in seen.items() if verdict in ("fail", "error")}
    assert not bad, done.stdout
    unseen = {rule for rule, verdict in seen.items() if verdict == "not-provoked"}
    assert unseen <= {SCHEMAS}
    assert done.returncode == (3 if unseen else 0)
