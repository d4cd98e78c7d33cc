"""For each rule: transcripts that it accepts, that it refuses, and of which it says neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from lsbcheck.transcript import Program
from ocfkit.conformance.rules import Verdict
from ocfkit.conformance.transcript import (
    ILL_TYPED,
    UNKNOWN_ACTION,
    Call,
    State,
    Transcript,
)
from tests.ocfkit.conformance.seen import (
    BOTH,
    CANARY,
    DAEMON,
    DOWN,
    FAILS,
    FOREIGN,
    FROZEN,
    GIVEN,
    HANGS,
    KILLED,
    META_DATA,
    MISSING,
    SECOND,
    SWALLOWED,
    UP,
    bad_parameters,
    call,
    cycle,
    fault,
    instances,
    meta_data,
    monitor,
    of_second,
    process,
    scenario,
    seen,
    start,
    start_again,
    stop,
    stop_again,
    that_does_not_start,
    told,
    unreached,
    validate,
    without_description,
    without_processes,
)


@dataclass(frozen=True, slots=True)
class Samples:
    """Of one rule."""

    holds: tuple[Transcript, ...] = ()
    """Beside `seen()`, which every rule accepts."""
    breaks: tuple[Transcript, ...] = ()
    not_provoked: tuple[Transcript, ...] = ()
    does_not_apply: tuple[Transcript, ...] = ()

    def by_verdict(self) -> Mapping[Verdict, tuple[Transcript, ...]]:
        return {
            "pass": (seen(), *self.holds),
            "fail": self.breaks,
            "not-provoked": self.not_provoked,
            "does-not-apply": self.does_not_apply,
        }


def run_by(interpreter: str, *words: str) -> Transcript:
    """An agent whose service is what an interpreter runs, and no file that could be taken away."""
    run = seen(missing_program=(fault("program-missing", effective=False, why="it has no file"),))
    assert run.service is not None
    main = Program(interpreter, interpreter, (interpreter, *words))
    return replace(run, service=replace(run.service, main=main))


def paints(one: Call) -> Transcript:
    """An agent with an action that nobody else has, and what was seen of it."""
    listed = ('name="demote"', 'name="paint"')
    others = (call("promote", 0, UP), call("reload-agent", 0, UP))
    return seen(listed, optional=(start(0), *others, one, stop(0)))


def in_cycle(place: int, one: Call) -> Transcript:
    """An agent of which one call of the cycle was another (`seen.cycle` counts them)."""
    return seen(cycle=cycle(changed={place: one}))


def side_by_side(**changed: Call) -> Transcript:
    """An agent of which some calls beside a second were others (`seen.instances` counts them)."""
    by_place = {int(place.removeprefix("nr")): one for place, one in changed.items()}
    return seen(instances=instances(changed=by_place))


def asked(place: int, one: Call) -> Transcript:
    """An agent that gave one who asked for its meta-data another answer."""
    calls = list(seen()["meta-data"].calls)
    calls[place] = one
    return seen(meta_data=tuple(calls))


OUT_OF_REACH = meta_data(126, "", uid=65534)
"""The agent lies where nobody may not go."""


def in_stopped(place: int, one: Call) -> Transcript:
    """An agent of which one call of the scenario `stopped` was another."""
    calls = list(seen()["stopped"].calls)
    calls[place] = one
    return seen(stopped=tuple(calls))


def judged_by(**schemas: str) -> Transcript:
    """An agent of whose meta-data each schema says something."""
    names = {"pcs11": "pcs, OCF 1.1", "pcs10": "pcs, OCF 1.0", "pacemaker": "Pacemaker"}
    return replace(seen(), schemas={names.get(key, key): said for key, said in schemas.items()})


def with_files(state: State, **digests: str) -> State:
    """The state with other files in /run."""
    return replace(state, files={f"/run/{name}": digest for name, digest in digests.items()})


STRANGER = process(300, "left")
TWO_LEVELS = '<action name="monitor" timeout="20s" interval="60s" depth="10"/>\n'
ALL_MONITORS = f'<action name="monitor" timeout="20s" interval="10s" depth="0"/>\n{TWO_LEVELS}'
NO_TYPED = ('type="integer" default="7007"', 'type="string" default="7007"')
NO_REQUIRED = (' required="1"', "")
NO_WORD = without_description()
NO_START = (that_does_not_start(), that_does_not_start(HANGS))

SAMPLES: Final[Mapping[str, Samples]] = {
    # --- meta_data
    "meta-data-is-xml": Samples(
        breaks=(NO_WORD, without_description("meta-data ended with exit 1 (generic error)")),
        not_provoked=(seen(meta_data=unreached("meta-data")),),
    ),
    "schemas-accept-the-meta-data": Samples(
        holds=(judged_by(pcs11=""), judged_by(pcs11="", pcs10="not for this one")),
        breaks=(judged_by(pcs11="3: element x"), judged_by(pcs11="", pacemaker="3: element x")),
        not_provoked=(judged_by(), judged_by(pcs10=""), NO_WORD),
    ),
    "name-is-the-file-name": Samples(
        breaks=(seen(('name="ponger"', 'name="pinger"')), replace(seen(), name="pinger")),
        not_provoked=(NO_WORD,),
    ),
    "api-version-is-known": Samples(
        holds=(seen(("<version>1.1<", "<version>1.0<"), ('name="reload-agent"', 'name="notify"')),),
        breaks=(
            seen(("<version>1.1</version>\n", "")),
            seen(("<version>1.1<", "<version>0.9<")),
            seen(("<version>1.1<", "<version>1.0<")),
        ),
        not_provoked=(NO_WORD,),
    ),
    "required-actions-advertised": Samples(
        holds=(seen(('<action name="validate-all" timeout="20s"/>\n', "")),),
        breaks=(
            seen(('<action name="meta-data" timeout="5s"/>\n', "")),
            seen(('<action name="stop" timeout="20s"/>\n', "")),
        ),
        not_provoked=(NO_WORD,),
    ),
    "validate-all-advertised": Samples(
        breaks=(seen(('<action name="validate-all" timeout="20s"/>\n', "")),),
        not_provoked=(NO_WORD,),
    ),
    "times-can-be-read": Samples(
        holds=(seen(('"5s"', '"5"')), seen(('"5s"', '"500ms"')), seen(('"60s"', '"1min"'))),
        breaks=(seen(('"5s"', '"soon"')), seen(('"60s"', '""')), seen(('"5s"', '"-5s"'))),
        not_provoked=(NO_WORD,),
    ),
    "times-have-units": Samples(
        holds=(seen(('"10s"', '"0"')),),
        breaks=(seen(('"5s"', '"5"')), seen(('"60s"', '" 60 "'))),
        not_provoked=(NO_WORD,),
    ),
    "actions-have-timeouts": Samples(
        holds=(seen(('name="promote" timeout="20s"', 'name="promote"')),),
        breaks=(
            seen(('name="start" timeout="20s"', 'name="start"')),
            seen(('timeout="20s" interval="60s"', 'interval="60s"')),
        ),
        not_provoked=(NO_WORD,),
    ),
    "parameters-differ-in-name": Samples(
        breaks=(seen(('<parameter name="port"', '<parameter name="name"')),),
        not_provoked=(NO_WORD,),
    ),
    "parameter-names-are-variables": Samples(
        holds=(seen(('<parameter name="port"', '<parameter name="4port"')),),
        breaks=tuple(
            seen(('<parameter name="port"', f'<parameter name="{word}"'))
            for word in ("the-port", "", "pört", "a b")
        ),
        not_provoked=(NO_WORD,),
    ),
    "monitors-differ-in-interval": Samples(
        holds=(seen((' interval="10s"', ""), (' interval="60s"', "")),),
        breaks=(seen(('"60s"', '"10s"')), seen(('"60s"', '"10000ms"')), seen(('"60s"', '"10"'))),
        not_provoked=(NO_WORD,),
    ),
    "defaults-have-their-type": Samples(
        holds=(
            seen(('default="7007"', 'default=""')),
            seen(('default="7007"', 'default="-1"')),
            seen(('default="7007"', 'default="INFINITY"')),
            seen(('type="integer" default="7007"', 'type="boolean" default="Yes"')),
        ),
        breaks=(
            *(
                seen(('default="7007"', f'default="{word}"'))
                for word in ("seven", "7.5", "7s", "INFINITY7", "--7", "\u0667")
            ),
            seen(('type="integer" default="7007"', 'type="boolean" default="maybe"')),
            seen(('type="integer" default="7007"', 'type="select" default="none of them"')),
        ),
        not_provoked=(NO_WORD,),
    ),
    "required-has-no-default": Samples(
        breaks=(seen(('unique-group="port"', 'unique-group="port" required="1"')),),
        not_provoked=(NO_WORD,),
    ),
    "texts-are-there": Samples(
        breaks=(
            seen(('<shortdesc lang="en">Name</shortdesc>', "")),
            seen(('<shortdesc lang="en">Name<', "<shortdesc>Name<")),
            seen(('<longdesc lang="en">Of nobody.<', '<longdesc lang="en"> <')),
        ),
        not_provoked=(NO_WORD,),
    ),
    "meta-data-is-the-same-for-all": Samples(
        holds=(
            asked(  # a default that is named after the resource, where there is none
                4, meta_data(stdout=META_DATA.replace('"7007"', '"/run/.pid"'), instance="")
            ),
        ),
        breaks=(
            asked(2, meta_data(stdout=f"{META_DATA}<!-- now -->")),
            asked(3, meta_data(4, "", uid=65534)),
            asked(5, meta_data(stdout="")),
            asked(6, meta_data(HANGS)),
        ),
        not_provoked=(seen(meta_data=(meta_data(),)), NO_WORD, asked(3, OUT_OF_REACH)),
    ),
    "meta-data-is-cheap": Samples(
        holds=(
            asked(0, meta_data(seconds=5)),
            seen(meta_data=(meta_data(processor=0.7), *(meta_data(processor=0.1),) * 6)),
        ),
        breaks=(
            seen(meta_data=(meta_data(seconds=1.5),) * 7),
            seen(meta_data=(meta_data(seconds=0.9, processor=0.7),) * 7),
            seen(meta_data=(meta_data(seconds=1.5), meta_data(4, "", uid=65534))),
        ),
        not_provoked=(NO_WORD,),
    ),
    "meta-data-says-nothing-else": Samples(
        holds=(asked(0, meta_data(stderr="\n")),),
        breaks=(asked(0, meta_data(stderr="which: no nginx")),),
        not_provoked=(seen(meta_data=unreached("meta-data")),),
        does_not_apply=(NO_WORD,),
    ),
    # --- actions
    "unknown-action-is-unimplemented": Samples(
        breaks=tuple(in_stopped(0, call(UNKNOWN_ACTION, code)) for code in (0, 1, HANGS, KILLED)),
        not_provoked=(seen(stopped=unreached("stopped")),),
    ),
    "extra-arguments-are-ignored": Samples(
        breaks=(in_stopped(5, monitor(2)), in_stopped(5, monitor(HANGS))),
        not_provoked=(seen(stopped=(monitor(7), monitor(7))),),
    ),
    "advertised-actions-are-implemented": Samples(
        holds=(seen(('name="demote"', 'name="status"')), paints(call("paint", 42, UP))),
        breaks=(
            paints(call("paint", 3, UP)),
            in_stopped(4, validate(3)),
            seen(optional=(start(0), call("promote", 3), call("demote", 3), stop(0))),
        ),
        not_provoked=(seen(('name="demote"', 'name="paint"')), *NO_START, NO_WORD),
    ),
    "implemented-actions-are-advertised": Samples(
        holds=(
            # as usage
            seen(stopped=(call(UNKNOWN_ACTION, 2), call("notify", 2), call("reload", 3))),
        ),
        breaks=(
            in_stopped(6, call("notify", 0)),
            seen(('<action name="validate-all" timeout="20s"/>\n', "")),
        ),
        not_provoked=(NO_WORD, seen(stopped=unreached("stopped"))),
    ),
    "optional-actions-succeed": Samples(
        breaks=(
            seen(optional=(start(0), call("reload-agent", 1, UP), monitor(0))),
            seen(optional=(start(0), call("reload-agent", 0, UP, DOWN), monitor(7))),
            seen(optional=(start(0), call("notify", HANGS, UP))),
            seen(optional=(start(0), call("recover", 1, UP), monitor(0))),
            seen(optional=(start(0), call("recover", 0, UP, DOWN), monitor(7))),
        ),
        not_provoked=(*NO_START, NO_WORD, seen(optional=unreached("optional"))),
        does_not_apply=(seen(optional=(start(0), monitor(0), stop(0))),),
    ),
    "promotion-is-kept": Samples(
        holds=(
            seen(
                optional=(
                    *(start(0), call("promote", 0, UP), monitor(191)),
                    *(call("demote", 0, UP), monitor(190)),
                )
            ),
        ),
        breaks=(
            seen(optional=(call("promote", 0, UP), monitor(0), call("demote", 0, UP), monitor(0))),
            seen(optional=(call("promote", 0, UP), monitor(8), call("demote", 0, UP), monitor(8))),
            seen(optional=(call("promote", 0, UP), call("promote", 1, UP), monitor(8))),
        ),
        not_provoked=(
            *(*NO_START, NO_WORD, seen(optional=unreached("optional"))),
            seen(optional=(start(0), call("promote", 6, UP), monitor(0))),
        ),
        does_not_apply=(seen(('name="promote"', 'name="notify"')),),
    ),
    "every-call-is-answered": Samples(
        holds=(
            seen(frozen=(start(0), monitor(HANGS, FROZEN))),
            paints(call("paint", HANGS, UP)),
        ),
        breaks=(
            in_cycle(7, stop(HANGS)),
            in_stopped(4, validate(HANGS)),
            that_does_not_start(HANGS),
            seen(levels=(start(0), monitor(HANGS, UP, level=10))),
        ),
        not_provoked=(
            that_does_not_start(),
            Transcript("x", "x"),
            in_cycle(7, replace(stop(HANGS), limit=5.0)),  # it asks for 20 s
        ),
    ),
    "exit-codes-are-defined": Samples(
        holds=(
            in_cycle(3, monitor(190)),
            in_cycle(7, stop(HANGS)),
            seen(nobody=(start(126, uid=65534),)),
            asked(3, OUT_OF_REACH),
            paints(call("paint", 42, UP)),
        ),
        breaks=(
            in_cycle(7, stop(143)),
            in_cycle(7, stop(7)),
            in_cycle(1, start(7)),
            in_stopped(4, validate(7)),
            in_cycle(2, monitor(KILLED)),
            seen(crash=(start(0), monitor(42, DOWN))),
        ),
        not_provoked=(Transcript("x", "x"),),
    ),
    # --- start_stop
    "start-succeeds": Samples(
        not_provoked=(*NO_START, that_does_not_start(KILLED), seen(cycle=unreached("cycle"))),
    ),
    "start-is-complete": Samples(
        holds=(in_cycle(2, monitor(190)),),
        breaks=(
            in_cycle(2, monitor(7, DOWN)),
            seen(cycle=cycle(changed={2: monitor(1, UP), 3: monitor(1, UP)})),
            in_cycle(2, monitor(0, replace(UP, listeners=frozenset()))),
        ),
        not_provoked=NO_START,
    ),
    "start-when-running": Samples(
        holds=(
            without_processes(),
            in_cycle(5, start_again(0, replace(UP, processes=(DAEMON, process(101, ppid=100))))),
            in_cycle(5, start_again(0, replace(UP, processes=(DAEMON, process(101, state="Z"))))),
        ),
        breaks=(
            in_cycle(5, start_again(1)),
            in_cycle(5, start_again(0, replace(UP, processes=(process(400),)))),
            in_cycle(5, start_again(0, replace(UP, processes=(DAEMON, process(400))))),
            in_cycle(5, start_again(0, replace(UP, processes=(DAEMON, STRANGER)))),
            in_cycle(6, monitor(7)),
            seen(
                cycle=cycle(
                    changed={
                        5: call(
                            "start",
                            0,
                            replace(UP, processes=(DAEMON, STRANGER)),
                            replace(UP, processes=(process(400), STRANGER)),
                        )
                    }
                )
            ),
        ),
        not_provoked=NO_START,
    ),
    "stop-succeeds": Samples(
        breaks=(
            in_cycle(7, stop(1)),
            in_cycle(7, stop(HANGS)),
            in_cycle(8, monitor(0)),
            in_cycle(8, monitor(1, DOWN)),
        ),
        not_provoked=NO_START,
    ),
    "stop-when-stopped": Samples(
        # what still runs after the first stop is another rule's
        holds=(seen(cycle=cycle(changed={7: stop(1), 8: monitor(0), 9: stop(1)})),),
        breaks=(in_stopped(1, stop_again(7)), in_cycle(9, stop_again(1))),
        not_provoked=(seen(stopped=unreached("stopped")), seen(cycle=cycle()[:9])),
    ),
    "stop-leaves-no-process": Samples(
        breaks=(
            in_cycle(7, stop(0, UP)),
            in_cycle(7, stop(0, replace(DOWN, listeners=UP.listeners))),
        ),
        holds=(in_cycle(7, stop(0, State((process(state="Z"),)))),),
        not_provoked=(*NO_START, in_cycle(7, stop(1)), in_cycle(7, stop(0, DOWN, at=DOWN))),
        does_not_apply=(without_processes(),),
    ),
    "stop-leaves-nothing-behind": Samples(
        holds=(
            without_processes(),
            in_cycle(7, stop(0, State(files={"/var/lib/pong/data": "1", "/var/log/pong": "2"}))),
        ),
        breaks=(
            in_cycle(7, stop(0, with_files(DOWN, pid="100"))),
            in_cycle(7, stop(0, State(files={"/dev/shm/pong": "1"}))),  # noqa: S108 - a sample
            in_cycle(7, stop(0, State(ipc=frozenset({"shm 0x1"})))),
            in_cycle(7, stop(0, State(mounts=frozenset({"/mnt"})))),
        ),
        not_provoked=(*NO_START, in_cycle(7, stop(HANGS))),
    ),
    # --- monitor
    "monitor-when-running": Samples(
        holds=(in_cycle(3, monitor(8)), in_cycle(3, monitor(190))),
        breaks=(in_cycle(3, monitor(7)), in_cycle(4, monitor(1, UP)), in_cycle(4, monitor(HANGS))),
        not_provoked=(*NO_START, seen(cycle=cycle()[:3])),
    ),
    "monitor-when-stopped": Samples(
        breaks=(
            in_cycle(0, monitor(0, DOWN)),
            in_cycle(0, monitor(5)),
            in_stopped(3, monitor(1)),
        ),
        not_provoked=(seen(stopped=unreached("stopped")), seen(stopped=(stop_again(0),))),
    ),
    "monitor-changes-nothing": Samples(
        holds=(
            in_cycle(3, call("monitor", 0, UP, with_files(UP, data="1"))),
            in_cycle(3, call("monitor", 0, UP, replace(UP, processes=(DAEMON, STRANGER)))),
            in_cycle(4, call("monitor", 0, UP, replace(UP, processes=(process(400),)))),
        ),
        breaks=(
            seen(
                cycle=cycle(
                    changed={
                        3: call("monitor", 0, with_files(UP, seen="1"), with_files(UP, seen="2")),
                        4: call("monitor", 0, with_files(UP, seen="2"), with_files(UP, seen="3")),
                    }
                )
            ),
            seen(
                cycle=cycle(
                    changed={
                        3: call("monitor", 0, with_files(UP), with_files(UP, a="1")),
                        4: call("monitor", 0, with_files(UP, a="1"), with_files(UP, a="1", b="2")),
                    }
                )
            ),
            in_cycle(4, call("monitor", 0, UP, replace(UP, processes=(DAEMON, STRANGER)))),
            in_cycle(  # one more each time, all with one command line
                4,
                call(
                    "monitor",
                    0,
                    replace(UP, processes=(DAEMON, process(500, "x"))),
                    replace(UP, processes=(DAEMON, process(500, "x"), process(600, "x"))),
                ),
            ),
        ),
        not_provoked=(*NO_START, seen(cycle=cycle()[:3])),
    ),
    "levels-answer": Samples(
        breaks=(
            seen(levels=(start(0), monitor(0), monitor(1, UP, level=10))),
            seen(levels=(start(0), monitor(HANGS, UP), monitor(0, level=10))),
        ),
        not_provoked=(*NO_START, NO_WORD, seen(levels=(start(0), monitor(0)))),
        does_not_apply=(seen((ALL_MONITORS, "")),),
    ),
    "levels-fall-back": Samples(
        breaks=(
            seen(levels=(start(0), monitor(0), monitor(0, level=10), monitor(2, UP, level=11))),
        ),
        not_provoked=(
            *NO_START,
            NO_WORD,
            seen(levels=(start(0), monitor(0), monitor(0, level=10))),
        ),
    ),
    # --- faults
    "monitor-after-crash": Samples(
        holds=(seen(crash=(start(0), monitor(1, DOWN))),),
        breaks=(
            seen(crash=(start(0), monitor(0, DOWN))),
            seen(crash=(start(0), monitor(HANGS))),
            seen(crash=(start(0), monitor(8, State((process(state="Z"),))))),
        ),
        not_provoked=(
            *NO_START,
            seen(crash=unreached("crash")),
            seen(crash=(start(0), monitor(0, UP))),  # something brought it back
        ),
        does_not_apply=(without_processes(),),
    ),
    "recovery-after-crash": Samples(
        breaks=(
            seen(crash=(start(0), monitor(7), stop_again(1), start(0), monitor(0))),
            seen(crash=(start(0), monitor(7), stop_again(0), start(1), monitor(7))),
            seen(crash=(start(0), monitor(7), stop_again(0), start(0), monitor(7))),
        ),
        not_provoked=(
            *NO_START,
            seen(crash=(start(0), monitor(7), stop_again(0))),
            seen(crash=(start(0), monitor(0, UP), stop(0), start(0), monitor(0))),
        ),
        does_not_apply=(without_processes(),),
    ),
    "monitor-when-frozen": Samples(
        holds=(seen(frozen=(start(0), monitor(HANGS, FROZEN))),),
        breaks=(
            seen(frozen=(start(0), monitor(0, FROZEN))),
            seen(frozen=(start(0), monitor(0, FROZEN), monitor(0, FROZEN, level=10))),
        ),
        not_provoked=(
            *NO_START,
            seen(frozen=(start(0), monitor(0, UP))),
            seen(frozen=(start(0), monitor(1, DOWN))),
            seen(frozen=(start(0),)),
        ),
        does_not_apply=(without_processes(),),
    ),
    "frozen-service-can-be-stopped": Samples(
        breaks=(
            seen(frozen=(start(0), monitor(1, FROZEN), stop(HANGS, at=FROZEN))),
            seen(frozen=(start(0), monitor(1, FROZEN), stop(0, FROZEN, FROZEN))),
        ),
        not_provoked=(*NO_START, seen(frozen=(start(0), monitor(0, UP), stop(1)))),
        does_not_apply=(without_processes(),),
    ),
    "foreign-process-is-not-the-service": Samples(
        breaks=(
            seen(
                foreign_pid=scenario(
                    "foreign-pid",
                    (FOREIGN, start(0), monitor(0, DOWN), stop_again(0)),
                    bystander=True,
                )
            ),
            seen(
                foreign_pid=scenario(
                    "foreign-pid", (FOREIGN, start(0), monitor(7), stop_again(0)), bystander=False
                )
            ),
            seen(
                foreign_pid=scenario(
                    "foreign-pid", (FOREIGN, start(0), monitor(7), stop_again(1)), bystander=True
                )
            ),
        ),
        not_provoked=(
            *NO_START,
            seen(foreign_pid=(FOREIGN, start(0), monitor(7), stop_again(0))),
            seen(foreign_pid=(start(0), monitor(7), stop_again(0))),
            seen(foreign_pid=unreached("foreign-pid")),
        ),
        does_not_apply=(
            without_processes(),
            seen(foreign_pid=unreached("foreign-pid", "no pid file was found")),
        ),
    ),
    "silent-listener-is-not-the-service": Samples(
        holds=(seen(silent_listener=(start(0), monitor(0, DOWN), monitor(1, DOWN, level=10))),),
        breaks=(
            seen(silent_listener=(start(0), monitor(7), monitor(HANGS, level=10))),
            seen(silent_listener=(start(0), monitor(7), monitor(0, DOWN, level=10))),
        ),
        not_provoked=(
            *NO_START,
            seen(silent_listener=(start(0),)),
            seen(silent_listener=unreached("silent-listener", "needs a python3")),
        ),
        does_not_apply=(
            without_processes(),
            replace(seen(), service=replace(seen().service, listeners=("unix /run/x",))),  # type: ignore[type-var]
        ),
    ),
    "stranger-on-the-port-is-not-the-service": Samples(
        breaks=(
            seen(stranger=(monitor(0, DOWN), start(1))),
            seen(stranger=(monitor(7), start(0, DOWN))),
            seen(stranger=(monitor(7), start(0), monitor(1, UP))),
        ),
        not_provoked=(
            *NO_START,
            seen(stranger=(monitor(7), start(0), monitor(0))),
            seen(stranger=unreached("stranger")),
        ),
        does_not_apply=(without_processes(),),
    ),
    "stranger-on-the-port-survives": Samples(
        breaks=(
            seen(
                stranger=scenario(
                    "stranger", (monitor(7), start(1), stop_again(0)), bystander=False
                )
            ),
        ),
        not_provoked=(
            *NO_START,
            seen(stranger=scenario("stranger", (monitor(7), start(1), stop_again(0)))),
            seen(stranger=(monitor(7), start(1))),
            seen(stranger=unreached("stranger")),
        ),
        does_not_apply=(without_processes(),),
    ),
    "missing-program-is-told": Samples(
        holds=(seen(missing_program=(MISSING, monitor(5), start(5), stop_again(0))),),
        breaks=(
            seen(missing_program=(MISSING, monitor(1), start(5), stop_again(0))),
            seen(missing_program=(MISSING, monitor(7), start(1), stop_again(0))),
            seen(missing_program=(MISSING, monitor(7), start(5), stop_again(5))),
            seen(missing_program=(MISSING, monitor(7), start(0, DOWN), stop_again(0))),
        ),
        not_provoked=(
            *NO_START,
            seen(
                missing_program=(
                    fault("program-missing", effective=False, why="it came up all the same"),
                    *(monitor(7), start(0), stop(0)),
                )
            ),
            seen(missing_program=(monitor(7), start(5), stop_again(0))),
            *(run_by("/bin/python3.11", *words) for words in (("serve.py", "-m"), ("-E", "x"))),
            run_by("/bin/sh", "-e", "serve.sh"),
            run_by("/bin/busybox", "httpd", "-c", "httpd.conf"),
        ),
        does_not_apply=(
            without_processes(),
            run_by("/bin/python3.11", "-I", "-m", "http.server", "--directory", "/srv"),
            run_by("/bin/perl", "-we", "sleep"),
            run_by("/bin/dash", "-ec", "while sleep 1; do :; done"),
        ),
    ),
    "start-failure-is-told": Samples(
        holds=(seen(start_failure=(FAILS, start(KILLED))),),
        breaks=(
            seen(start_failure=(FAILS, start(0, DOWN))),
            seen(start_failure=(FAILS, start(HANGS))),
        ),
        not_provoked=(
            *NO_START,
            seen(start_failure=(fault("program-fails", effective=False, why="no"), start(0))),
            seen(start_failure=(start(0),)),
        ),
        does_not_apply=(without_processes(),),
    ),
    "stop-failure-is-told": Samples(
        holds=(seen(stop_failure=(SWALLOWED, start(0), stop(HANGS, at=FROZEN))),),
        breaks=(seen(stop_failure=(SWALLOWED, start(0), stop(0, FROZEN, FROZEN))),),
        not_provoked=(
            *NO_START,
            seen(
                stop_failure=(
                    fault("signals-swallowed", effective=False, why="it stopped all the same"),
                    *(start(0), stop(0, at=FROZEN)),
                )
            ),
        ),
        does_not_apply=(without_processes(),),
    ),
    "nobody-gets-an-answer": Samples(
        holds=(seen(nobody=(monitor(7, uid=65534), start(0, uid=65534))),),
        breaks=(
            seen(nobody=(monitor(KILLED, uid=65534), start(4, uid=65534))),
            seen(nobody=(monitor(HANGS, uid=65534), start(4, uid=65534))),
            seen(nobody=(monitor(127, uid=65534), start(4, uid=65534))),
            seen(nobody=(start(0, DOWN, uid=65534),)),
            seen(nobody=(start(1, uid=65534, stderr="Traceback (most recent call last):\n"),)),
        ),
        not_provoked=(
            seen(nobody=unreached("nobody")),
            seen(nobody=(monitor(126, uid=65534), start(126, uid=65534))),
        ),
    ),
    "no-person-is-needed": Samples(
        breaks=(
            that_does_not_start(),
            seen(person=(start(0), monitor(0), stop(1))),
        ),
        not_provoked=(seen(person=unreached("person")), seen(cycle=unreached("cycle"))),
    ),
    # --- parameters
    "missing-parameter-is-refused": Samples(
        holds=(
            seen(bad_parameters=bad_parameters(start_says=2)),
            seen(bad_parameters=bad_parameters(validate_says=3)),
        ),
        breaks=(
            seen(bad_parameters=bad_parameters(start_says=1)),
            seen(bad_parameters=bad_parameters(validate_says=0)),
            seen(bad_parameters=(start(0, parameters={"name": ""}),)),
        ),
        not_provoked=(NO_WORD, seen(bad_parameters=unreached("bad-parameters"))),
        does_not_apply=(seen(NO_REQUIRED),),
    ),
    "wrong-type-is-refused": Samples(
        breaks=(
            seen(bad_parameters=(start(0, parameters={**GIVEN, "port": ILL_TYPED}),)),
            seen(bad_parameters=(validate(0, parameters={**GIVEN, "port": ILL_TYPED}),)),
        ),
        not_provoked=(NO_WORD, seen(bad_parameters=unreached("bad-parameters"))),
        does_not_apply=(
            seen(NO_TYPED),
            seen(('unique-group="port">', 'unique-group="port"><deprecated/>')),
        ),
    ),
    "validate-all-accepts-the-right": Samples(
        breaks=(in_stopped(4, validate(6)), in_stopped(4, validate(HANGS))),
        not_provoked=(*NO_START, NO_WORD, seen(stopped=unreached("stopped"))),
        does_not_apply=(seen(('<action name="validate-all" timeout="20s"/>\n', "")),),
    ),
    "stop-needs-no-parameters": Samples(
        breaks=(
            seen(bad_parameters=bad_parameters(stop_says=6)),
            seen(bad_parameters=bad_parameters(stop_says=HANGS)),
        ),
        not_provoked=(NO_WORD, seen(bad_parameters=bad_parameters(start_says=0, stop_says=1))),
        does_not_apply=(seen(NO_REQUIRED, NO_TYPED, bad_parameters=()),),
    ),
    "probe-needs-no-parameters": Samples(
        holds=(
            seen(bad_parameters=bad_parameters(monitor_says=6)),
            seen(bad_parameters=bad_parameters(monitor_says=5)),
        ),
        breaks=(
            seen(bad_parameters=bad_parameters(monitor_says=0)),
            seen(bad_parameters=bad_parameters(monitor_says=1)),
        ),
        # with a start that took the wrong value, it runs indeed
        not_provoked=(NO_WORD, seen(bad_parameters=bad_parameters(start_says=0, monitor_says=0))),
        does_not_apply=(seen(NO_REQUIRED, NO_TYPED, bad_parameters=()),),
    ),
    "defaults-are-the-code-s": Samples(
        holds=(  # a port that the kernel has chosen
            seen(
                defaults=(
                    start(0, replace(UP, listeners=UP.listeners | {"udp 0.0.0.0:42107"})),
                    monitor(0),
                )
            ),
        ),
        breaks=(
            seen(defaults=(start(1), monitor(7))),
            seen(defaults=(start(0), monitor(1, UP))),
            seen(defaults=(start(0, replace(UP, listeners=frozenset())), monitor(0))),
            seen(defaults=(start(0, replace(UP, processes=(process(word="bar"),))), monitor(0))),
            seen(defaults=(start(0, with_files(UP, other="1")), monitor(0))),
        ),
        not_provoked=(*NO_START, NO_WORD, seen(defaults=unreached("defaults"))),
        does_not_apply=(
            seen((' default="7007"', "")),
            replace(seen(), parameters={**GIVEN, "port": "7100"}),
        ),
    ),
    # --- instances
    "second-instance-is-another": Samples(
        holds=(side_by_side(nr1=of_second("monitor", 7, UP, parameters=GIVEN)),),
        breaks=(
            side_by_side(nr1=of_second("monitor", 0, UP)),
            side_by_side(nr2=of_second("start", 0, UP)),
            side_by_side(nr4=of_second("monitor", 7, BOTH)),
        ),
        not_provoked=(
            *NO_START,
            side_by_side(nr2=of_second("start", 1, UP)),
            side_by_side(nr1=of_second("monitor", 0, UP, parameters=GIVEN)),
            seen(instances=unreached("instances")),
        ),
    ),
    "stop-spares-the-other-instance": Samples(
        breaks=(
            side_by_side(nr5=stop(0, DOWN, BOTH), nr7=of_second("monitor", 7, DOWN)),
            side_by_side(nr5=stop(0, DOWN, BOTH)),
            side_by_side(nr6=monitor(0, SECOND)),
            side_by_side(nr8=of_second("stop", 0, SECOND)),
        ),
        not_provoked=(
            *NO_START,
            side_by_side(nr2=of_second("start", 1, UP)),
            side_by_side(
                nr1=of_second("monitor", 0, UP, parameters=GIVEN), nr7=of_second("monitor", 7, DOWN)
            ),
        ),
    ),
    # --- telling
    "failures-have-reasons": Samples(
        holds=(
            in_cycle(3, monitor(190, stderr="")),
            in_cycle(2, monitor(KILLED)),
            seen(optional=(call("notify", 3, stderr=""),)),
            paints(call("paint", 1, UP, stderr="")),
            seen(nobody=(start(1, uid=65534, stderr="touch: Permission denied\n"),)),
        ),
        breaks=(
            in_cycle(7, stop(1, stderr="cannot stop\n")),
            in_cycle(3, monitor(9, UP, stderr="")),
            in_stopped(4, validate(7, stderr="")),
            seen(crash=(start(0), monitor(1, DOWN, stderr="ocf-exit-reason:\n"))),
        ),
        not_provoked=(Transcript("x", "x"),),
        does_not_apply=(
            Transcript("x", "x", scenarios={"cycle": scenario("cycle", (start(0), stop(0)))}),
        ),
    ),
    "secrets-are-not-in-arguments": Samples(
        breaks=(
            seen(secrets=told("-p", CANARY)),
            seen(secrets=told(f"--password={CANARY}")),
            seen(secrets=scenario("secrets", (start(0, State((process(word=f"-p{CANARY}"),))),))),
            # it failed, and yet was seen
            seen(secrets=replace(told(CANARY), calls=(start(1),))),
        ),
        not_provoked=(
            NO_WORD,
            *NO_START,
            seen(secrets=scenario("secrets", (start(0), monitor(0)))),
            seen(secrets=replace(told("foo"), calls=(start(1),))),
        ),
        does_not_apply=(replace(seen(), secrets={}),),
    ),
    "secrets-are-not-told": Samples(
        breaks=(
            seen(secrets=(start(0, stdout=f"with {CANARY}"),)),
            seen(secrets=(start(1, stderr=f"ocf-exit-reason:{CANARY} is wrong\n"),)),
            seen(secrets=told("foo", log=f"INFO: {CANARY}")),
        ),
        not_provoked=(NO_WORD, *NO_START, seen(secrets=replace(told("foo"), calls=(start(1),)))),
        does_not_apply=(replace(seen(), secrets={}),),
    ),
}
