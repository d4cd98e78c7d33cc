"""Where lines go, and what never stands in them."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ocfkit.environment import Environment
from ocfkit.log import Log, one_line, say, text_of


class Told(Log):
    """A log whose standard error can be read."""

    def __init__(self, **whole: str) -> None:
        super().__init__(Environment({"OCF_RESOURCE_INSTANCE": "web", **whole}), "webd")
        self.stderr: list[str] = []

    def to_stderr(self, text: str) -> None:
        self.stderr.append(text)

    def write_all(self) -> None:
        self.debug("1")
        self.info("2")
        self.warning("3")
        self.error("4")


def levels(text: str) -> list[str]:
    return re.findall(r": (DEBUG|INFO|WARNING|ERROR): \d", text)


class TestWhere:
    def test_without_any_place_lines_go_to_standard_error(self) -> None:
        log = Told()
        log.write_all()
        assert levels("".join(log.stderr)) == ["INFO", "WARNING", "ERROR"]
        assert log.stderr[0] == f"webd(web)[{os.getpid()}]: INFO: 2\n"

    def test_a_file_gets_them_instead(self, tmp_path: Path) -> None:
        log = Told(HA_LOGFILE=str(tmp_path / "log"), HA_LOGFACILITY="none")
        log.write_all()
        assert log.stderr == []
        lines = (tmp_path / "log").read_text().splitlines()
        assert levels("\n".join(lines)) == ["INFO", "WARNING", "ERROR"]
        assert re.fullmatch(
            rf"\w{{3}} \d\d \d\d:\d\d:\d\d webd\(web\)\[{os.getpid()}\]: INFO: 2", lines[0]
        )

    def test_debug_lines_go_to_their_own_file_alone(self, tmp_path: Path) -> None:
        log = Told(
            HA_LOGFILE=str(tmp_path / "log"), HA_DEBUGLOG=str(tmp_path / "debug"), HA_debug="1"
        )
        log.write_all()
        assert levels((tmp_path / "log").read_text()) == ["INFO", "WARNING", "ERROR"]
        assert levels((tmp_path / "debug").read_text()) == ["DEBUG", "INFO", "WARNING", "ERROR"]

    def test_one_file_for_both_gets_each_line_once(self, tmp_path: Path) -> None:
        path = str(tmp_path / "log")
        log = Told(HA_LOGFILE=path, HA_DEBUGLOG=path, HA_debug="1")
        log.write_all()
        assert levels(Path(path).read_text()) == ["DEBUG", "INFO", "WARNING", "ERROR"]

    def test_a_debug_log_alone_gets_the_reason_too(self, tmp_path: Path) -> None:
        log = Told(HA_DEBUGLOG=str(tmp_path / "debug"))
        log.reason("4")
        assert levels((tmp_path / "debug").read_text()) == ["ERROR"]
        assert log.stderr == ["ocf-exit-reason:4\n"]

    def test_syslog_gets_them_with_facility_and_level(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: list[object] = []

        def hear(*words: object) -> None:
            heard.append(words)

        fake = SimpleNamespace(LOG_PID=1, LOG_DAEMON=24, LOG_LOCAL3=152, openlog=hear, syslog=hear)
        monkeypatch.setitem(sys.modules, "syslog", fake)
        log = Told(HA_LOGFACILITY="local3", HA_debug="1")
        log.write_all()
        assert heard == [
            ("webd(web)", 1, 152),
            (7, "DEBUG: 1"),
            (6, "INFO: 2"),
            (4, "WARNING: 3"),
            (3, "ERROR: 4"),
        ]
        assert log.stderr == []
        heard.clear()
        Told(HA_LOGFACILITY="nonsense").info("1")
        assert heard[0] == ("webd(web)", 1, 24)

    @pytest.mark.parametrize("place", ["/nonexistent/log", "/dev/full", "/", ""])
    def test_a_place_that_is_none_fails_nobody(self, place: str) -> None:
        log = Told(HA_LOGFILE=place, HA_DEBUGLOG=place)
        log.reason("it failed")
        assert log.stderr[0] == "ocf-exit-reason:it failed\n"

    def test_a_pipe_that_nobody_reads_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        Told(HA_LOGFILE=str(tmp_path / "pipe")).info("1")

    def test_the_world_cannot_read_a_new_file(self, tmp_path: Path) -> None:
        Told(HA_LOGFILE=str(tmp_path / "log")).info("1")
        assert stat.S_IMODE((tmp_path / "log").stat().st_mode) & 0o007 == 0

    def test_standard_error_that_is_closed_fails_nobody(self) -> None:
        kept = os.dup(2)
        os.close(2)
        try:
            say("hello")
        finally:
            os.dup2(kept, 2)
            os.close(kept)

    def test_standard_error_gets_it_at_once(self, capfd: pytest.CaptureFixture[str]) -> None:
        Log(Environment({}), "webd").reason("it failed")
        assert capfd.readouterr().err == "ocf-exit-reason:it failed\n"


class TestReason:
    def test_is_one_line_whatever_is_in_it(self) -> None:
        log = Told()
        log.reason("first\nocf-exit-reason:forged\r\x1b[31m\x00 last\u2028")
        assert log.stderr == ["ocf-exit-reason:first ocf-exit-reason:forged [31m last\n"]

    def test_has_the_prefix_that_the_caller_wants(self) -> None:
        log = Told(OCF_EXIT_REASON_PREFIX="why:")
        log.reason("it failed")
        assert log.stderr == ["why:it failed\n"]

    @given(st.text())
    def test_is_printable(self, text: str) -> None:
        line = one_line(text)
        assert line.isprintable()
        assert "\n" not in line
        assert line == line.strip()

    def test_of_a_crash_says_what_and_where(self, tmp_path: Path) -> None:
        log = Told(HA_LOGFILE=str(tmp_path / "log"))
        try:
            int("three")
        except ValueError as error:
            log.crash("start", error)
        reason = log.stderr[0]
        assert re.fullmatch(
            r"ocf-exit-reason:error in the agent: start: ValueError: invalid literal .* 'three' "
            r"\(test_log.py, line \d+\)\n",
            reason,
        )
        assert "Traceback (most recent call last)" in (tmp_path / "log").read_text()

    def test_an_error_that_cannot_speak_is_told_nonetheless(self) -> None:
        class MuteError(Exception):
            def __str__(self) -> str:
                raise ValueError

        assert text_of(MuteError()) == "(it cannot be shown)"
        log = Told(HA_debug="1")
        log.crash("start", MuteError())
        assert "MuteError: (it cannot be shown)" in log.stderr[0]


class TestSecrets:
    def test_are_masked_everywhere(self, tmp_path: Path) -> None:
        log = Told(HA_LOGFILE=str(tmp_path / "log"), HA_debug="1")
        log.hide(["s3cr3t"])
        for write in (log.debug, log.info, log.warning, log.error, log.reason):
            write("as root:s3cr3t@localhost")
        log.crash("start", ValueError("s3cr3t"))
        text = "".join(log.stderr) + (tmp_path / "log").read_text()
        assert "s3cr3t" not in text
        assert text.count("***") >= 6

    def test_of_several_lines_are_masked_in_a_traceback(self, tmp_path: Path) -> None:
        log = Told(HA_LOGFILE=str(tmp_path / "log"))
        log.hide(["-----BEGIN KEY-----\nMIIE\n-----END KEY-----", "x1\ny2\nz3"])
        log.crash("start", ValueError("-----BEGIN KEY-----\nMIIE\n-----END KEY-----\nx1\ny2\nz3"))
        text = (tmp_path / "log").read_text()
        assert [part for part in ("KEY", "MIIE", "x1", "y2", "z3") if part in text] == []

    def test_the_longer_one_is_masked_as_a_whole(self) -> None:
        log = Told()
        log.hide(["abc", "abcdef"])
        assert log.masked("abcdef abc") == "*** ***"

    def test_an_empty_one_masks_nothing(self) -> None:
        log = Told()
        log.hide(["", "\n"])
        assert log.masked("all is well") == "all is well"

    @given(
        st.text(min_size=1),
        st.sampled_from(["{}", "x{}y", "{}{}", "{!r}", "[{!r}]"]),
        st.sampled_from(["", "utf-8"]),
    )
    def test_never_get_through(self, secret: str, form: str, encoding: str) -> None:
        assume("*" not in secret and secret not in form.format("", ""))
        log = Told()
        log.hide([secret])
        shown: object = secret.encode(encoding, "surrogateescape") if encoding else secret
        assume(not encoding or "!r" in form)
        masked = log.masked(form.format(shown, shown))
        assert repr(secret)[1:-1] not in masked
        assert secret not in masked
