"""From a word on the command line to a script, or to one sentence."""

from __future__ import annotations

import os
import socket
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsbcheck.header import KEYWORDS, parse_header
from lsbcheck.mentions import named_paths
from lsbcheck.script import SIZE_LIMIT, Script, ScriptError, find

PLAIN = "#!/bin/sh\nexit 0\n"


def write(path: Path, text: str | bytes = PLAIN, mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with a shell that nobody runs."""
    folder = tmp_path / "root"
    write(folder / "bin" / "sh")
    (folder / "etc" / "init.d").mkdir(parents=True)
    return folder


def refusal(word: str, root: Path | str = "/") -> str:
    with pytest.raises(ScriptError) as caught:
        find(word, str(root))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith(word or "an empty word")
    return sentence


class TestFinding:
    def test_takes_an_absolute_path(self, tmp_path: Path) -> None:
        word = write(tmp_path / "webd")
        script = find(word)
        assert (script.name, script.path, script.source) == ("webd", word, word)
        assert (script.text, script.interpreter) == (PLAIN, "/bin/sh")

    def test_makes_a_relative_path_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        word = write(tmp_path / "a" / "webd")
        monkeypatch.chdir(tmp_path)
        assert find("a/webd").path == find("./a/../a/webd").path == find("webd/../a//webd").path
        assert find("a/webd").path == word

    def test_follows_a_parent_of_a_link_as_the_kernel_does(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        word = write(tmp_path / "far" / "webd")
        (tmp_path / "far" / "inner").mkdir()
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "link").symlink_to(tmp_path / "far" / "inner")
        monkeypatch.chdir(tmp_path / "here")
        assert find("link/../webd").path == word

    def test_looks_a_bare_name_up_in_init_d(self, root: Path) -> None:
        word = write(root / "etc/init.d/webd")
        script = find("webd", str(root))
        assert (script.path, script.source) == ("/etc/init.d/webd", word)

    def test_a_bare_name_means_init_d_before_the_working_directory(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "webd")
        monkeypatch.chdir(tmp_path)
        assert find("webd", str(root)).path == str(tmp_path / "webd")
        write(root / "etc/init.d/webd")
        assert find("webd", str(root)).path == "/etc/init.d/webd"

    def test_keeps_a_link_as_the_path_and_reads_what_it_leads_to(self, root: Path) -> None:
        source = write(root / "etc/init.d/webd")
        (root / "etc/rc2.d").mkdir()
        (root / "etc/rc2.d/S01webd").symlink_to("../init.d/webd")
        script = find("/etc/rc2.d/S01webd", str(root))
        assert script.path == "/etc/rc2.d/S01webd"
        assert (script.source, script.name) == (source, "webd")

    def test_a_link_inside_the_root_never_leaves_it(self, root: Path, tmp_path: Path) -> None:
        outside = write(tmp_path / "outside" / "webd")
        inside = write(root / outside.lstrip("/"), PLAIN + "# inside\n")
        (root / "etc/init.d/absolute").symlink_to(outside)
        (root / "etc/init.d/climbing").symlink_to("../../../../../../../.." + outside)
        for name in ("absolute", "climbing"):
            assert find(name, str(root)).source == inside

    def test_a_link_to_what_only_the_host_has_is_no_script_of_the_root(
        self, root: Path, tmp_path: Path
    ) -> None:
        (root / "etc/init.d/webd").symlink_to(write(tmp_path / "outside" / "webd"))
        assert "no script of this name" in refusal("webd", root)

    def test_a_host_path_that_leads_into_the_root_means_the_file_in_there(self, root: Path) -> None:
        word = write(root / "etc/init.d/webd")
        assert find(word, str(root)).path == "/etc/init.d/webd"
        assert find("/etc/init.d/webd", str(root)).source == word

    def test_carries_a_script_of_the_host_that_the_root_lacks(
        self, root: Path, tmp_path: Path
    ) -> None:
        word = write(tmp_path / "webd")
        script = find(word, str(root))
        assert (script.path, script.source) == (word, word)

    def test_takes_blanks_and_japanese(self, tmp_path: Path) -> None:
        word = write(tmp_path / "サービス の script")
        assert find(word).path == word
        assert find(word).name == "サービス の script"

    def test_takes_a_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        word = os.fsdecode(os.fsencode(str(tmp_path)) + b"/web\xff")
        Path(word).write_text(PLAIN)
        Path(word).chmod(0o755)
        assert find(word).path == word

    def test_takes_latin1_in_a_comment(self, tmp_path: Path) -> None:
        word = write(tmp_path / "webd", b"#!/bin/sh\n# Jos\xe9 M\xfcller\nexit 0\n")
        assert "Jos\ufffd" in find(word).text


class TestRefusing:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            pytest.param(b"", "an empty file", id="empty"),
            pytest.param(b"\x7fELF\x02\x01\0\0", "a compiled program", id="binary"),
            pytest.param(b"#!/bin/sh\nexit 0\n\0" + b"payload" * 99, "not text", id="payload"),
            pytest.param(b"#!/bin/sh\n" + bytes(range(1, 32)) * 9, "not text", id="control codes"),
            pytest.param(b"exit 0\n", "names no interpreter", id="no shebang"),
            pytest.param(b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark", id="byte order mark"),
            pytest.param(b"#!\nexit 0\n", "no interpreter", id="bare shebang"),
            pytest.param(b"#! \t \nexit 0\n", "no interpreter", id="blank shebang"),
            pytest.param(b"#!/no/such/sh -e\n", "/no/such/sh is not there", id="missing shell"),
            pytest.param(b"#!/usr/bin/env nosuchperl\n", "nosuchperl is not", id="missing by env"),
            pytest.param(b"#!/bin/sh\r\nexit 0\r\n", "CR LF", id="lines of Windows"),
            pytest.param(
                b"#!/bin/sh\n### BEGIN INIT INFO\n# Provides: skeleton\n### END INIT INFO\n",
                "Provides: skeleton",
                id="copy of the skeleton",
            ),
            pytest.param(b"#!/bin/sh\n" + b"#" * SIZE_LIMIT, "no init script is", id="huge"),
        ],
    )
    def test_says_why_the_content_cannot_be_run(
        self, tmp_path: Path, content: bytes, says: str
    ) -> None:
        assert says in refusal(write(tmp_path / "webd", content))

    def test_says_that_the_skeleton_is_an_example(self, root: Path) -> None:
        write(root / "etc/init.d/skeleton", mode=0o644)
        assert "the example" in refusal("/etc/init.d/skeleton", root)

    def test_says_that_nothing_is_there(self, tmp_path: Path) -> None:
        assert "no such file" in refusal(str(tmp_path / "webd"))
        assert "no such file" in refusal(str(tmp_path / "a" / "b"))
        assert "names no script" in refusal("")

    def test_offers_the_nearest_name(self, root: Path) -> None:
        write(root / "etc/init.d/snmpd")
        assert "nearest: snmpd" in refusal("snmp", root)

    def test_names_the_systemd_unit_of_a_service_without_a_script(self, root: Path) -> None:
        write(root / "lib/systemd/system/webd.service", "[Unit]\n", 0o644)
        for word in ("webd", "webd.service"):
            assert "a systemd unit" in refusal(word, root)

    def test_says_that_it_is_a_directory_or_a_device_or_a_socket(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert "a directory" in refusal(str(tmp_path))
        assert "a directory" in refusal(".")
        assert "not a regular file" in refusal("/dev/null")
        os.mkfifo(tmp_path / "fifo", 0o755)
        assert "not a regular file" in refusal("./fifo")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            assert "not a regular file" in refusal("./socket")

    def test_says_that_it_is_not_executable(self, tmp_path: Path) -> None:
        assert "not executable" in refusal(write(tmp_path / "README", "text\n", 0o644))

    def test_says_that_links_lead_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        assert "circle" in refusal(str(tmp_path / "a"))

    def test_wants_the_interpreter_inside_the_root(self, root: Path, tmp_path: Path) -> None:
        word = write(tmp_path / "webd", f"#!{write(tmp_path / 'own-sh')}\n")
        assert find(word).interpreter == str(tmp_path / "own-sh")
        assert f"is not there in {root}" in refusal(word, root)

    def test_an_interpreter_may_be_reached_over_links_of_the_root(self, root: Path) -> None:
        write(root / "usr/bin/dash")
        (root / "bin/ash").symlink_to("/usr/bin/dash")
        write(root / "etc/init.d/webd", "#!/bin/ash\n")
        assert find("webd", str(root)).interpreter == "/bin/ash"

    @given(word=st.text(max_size=20))
    def test_any_word_is_a_script_or_a_sentence(self, word: str) -> None:
        try:
            found = find(word)
        except ScriptError as error:
            assert str(error)  # noqa: PT017 - either way is right
        else:
            assert isinstance(found, Script)


HEADER = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          webd
# Required-Start:\t$local_fs $network
# required-stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: a web server
# Description:       It serves
#  pages, and
#\tmore pages.
# X-Start-Before:    mail
### END INIT INFO
"""


class TestHeader:
    def test_reads_the_block(self) -> None:
        header, faults = parse_header(HEADER)
        assert faults == ()
        assert header == {
            "Provides": "webd",
            "Required-Start": "$local_fs $network",
            "Required-Stop": "$local_fs",
            "Default-Start": "2 3 4 5",
            "Default-Stop": "0 1 6",
            "Short-Description": "a web server",
            "Description": "It serves pages, and more pages.",
            "X-Start-Before": "mail",
        }

    def test_there_may_be_none(self) -> None:
        assert parse_header(PLAIN) == (None, ())

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("# X-Start-Before:    mail", "# Start-Before: mail", "no keyword of LSB"),
            ("# X-Start-Before:    mail", "# Provides: other", "'Provides' comes twice"),
            ("# X-Start-Before:    mail", "# now something else", "is not '# Keyword: value'"),
            ("### END INIT INFO", "", "no '### END INIT INFO'"),
            ("### END INIT INFO", "exit 0", "no '### END INIT INFO' before line 13"),
            ("2 3 4 5", "2345", "'2345' in Default-Start is no runlevel"),
            ("0 1 6", "0 1 7", "'7' in Default-Stop is no runlevel"),
            ("\t$local_fs $network", " local_fs $network", "'local_fs' in Required-Start"),
        ],
        ids=lambda value: value.strip() or "nothing",
    )
    def test_names_each_fault(self, old: str, new: str, says: str) -> None:
        _, faults = parse_header(HEADER.replace(old, new))
        assert len(faults) == 1
        assert says in faults[0]

    def test_the_first_of_two_values_wins(self) -> None:
        header, _ = parse_header(HEADER.replace("# X-Start-Before: ", "# Provides: "))
        assert header is not None
        assert header["Provides"] == "webd"

    def test_the_single_user_level_is_a_runlevel(self) -> None:
        assert parse_header(HEADER.replace("2 3 4 5", "S"))[1] == ()

    @given(st.text())
    def test_never_fails(self, text: str) -> None:
        parse_header(text)
        parse_header(f"### BEGIN INIT INFO\n{text}")

    @given(
        st.dictionaries(
            st.sampled_from([word for word in KEYWORDS if "-S" not in word])
            | st.from_regex(r"X-[A-Za-z][A-Za-z-]{0,9}", fullmatch=True),
            st.text(string.ascii_letters + string.digits + "$_ あ", max_size=30).map(
                lambda text: " ".join(text.split())
            ),
        )
    )
    def test_a_written_header_parses_back(self, header: dict[str, str]) -> None:
        lines = [f"# {keyword}: {value}" for keyword, value in header.items()]
        text = "\n".join(["#!/bin/sh", "### BEGIN INIT INFO", *lines, "### END INIT INFO", ""])
        assert parse_header(text) == (header, ())


def paths(text: str, path: str = "/etc/init.d/webd") -> tuple[tuple[str, ...], tuple[str, ...]]:
    return named_paths(text, path)


class TestNamedPaths:
    @pytest.mark.parametrize(
        ("text", "program", "pid_file"),
        [
            pytest.param(
                "NAME=webd\nDAEMON=/usr/sbin/$NAME\nPIDFILE=/run/${NAME}.pid\n",
                "/usr/sbin/webd",
                "/run/webd.pid",
                id="plain",
            ),
            pytest.param(
                'export NAME=\'webd\'; DAEMON="/usr/sbin/"$NAME\nPID="/run/"$NAME/pid\n',
                "/usr/sbin/webd",
                "/run/webd/pid",
                id="quoted",
            ),
            pytest.param(
                "DAEMON=${DAEMON:-/opt/w/bin/webd}\nN=${DAEMON##*/}\nP=${PIDFILE:=/run/$N.pid}\n",
                "/opt/w/bin/webd",
                "/run/webd.pid",
                id="defaults",
            ),
            pytest.param(
                'NAME=$(basename "$0")\nstart-stop-daemon --exec /usr/sbin/$NAME '
                "--pidfile /run/`basename $0`.pid\n",
                "/usr/sbin/webd",
                "/run/webd.pid",
                id="own name",
            ),
            pytest.param(
                "# processname: /usr/sbin/webd\n# pidfile: /var/run/webd.pid\n",
                "/usr/sbin/webd",
                "/var/run/webd.pid",
                id="comments of chkconfig",
            ),
            pytest.param(
                "start-stop-daemon --exec \\\n  /usr/sbin/\\\nwebd \\\n --pidfile /run/w.pid",
                "/usr/sbin/webd",
                "/run/w.pid",
                id="continued line",
            ),
        ],
    )
    def test_follows_assignments(self, text: str, program: str, pid_file: str) -> None:
        assert paths(text) == ((program,), (pid_file,))

    def test_knows_the_defaults_of_init_d_script(self) -> None:
        text = "#!/usr/bin/env /lib/init/init-d-script\nDAEMON=/usr/sbin/webd\n"
        assert paths(text)[1] == ("/run/webd.pid",)
        assert paths(text + "NAME=other\n")[1] == ("/run/other.pid",)
        assert paths(text + "PIDFILE=/run/mine.pid\n")[1] == ("/run/mine.pid",)

    @pytest.mark.parametrize(
        "text",
        [
            "DAEMON=$1/sbin/webd",
            "DAEMON=/usr/sbin/$UNSET",
            "DAEMON=`cat /etc/webd/path`",
            ". /lib/lsb/init-functions",
            "#!/bin/sh -e",
            "/usr/bin/awk '{}' /etc/passwd | /bin/grep x",
            "exec /usr/bin/python3 -m webd",
            "# see /usr/sbin/webd",
            "PATH=/usr/sbin:/usr/bin",
            "ls /var/lib/webd/*.pid",
        ],
    )
    def test_leaves_out_what_is_no_daemon_or_not_known(self, text: str) -> None:
        assert paths(text) == ((), ())

    def test_a_variable_that_became_unknown_is_not_used_any_more(self) -> None:
        assert paths("D=/usr/sbin\nD=$(pick)\n$D/webd\n") == ((), ())

    @given(st.text(st.sampled_from("AB=${}:-#%/*\"'`();| \n\\0sbin.pid") | st.characters()))
    def test_never_fails(self, text: str) -> None:
        programs, pid_files = paths(text)
        assert all(path.startswith("/") for path in programs + pid_files)

    @given(st.text(string.ascii_letters, min_size=1), st.sampled_from(["$N", "${N}", "${N:-x}"]))
    def test_a_name_survives_every_way_to_write_it(self, name: str, reference: str) -> None:
        assert paths(f"N={name}\nP=/run/{reference}.pid\n")[1] == (f"/run/{name}.pid",)

    @pytest.mark.parametrize(
        "text",
        [
            "A=xxxxxxxx\n" + "A=$A$A\n" * 1000,
            ("${A:-" * 800 + "\n") * 200,
            ("$A" * 2000 + "\n") * 200,
            "A=$A$A\n" * 10 + ("$A" * 2000 + "\n") * 5,
            ('A="' * 1300 + "\n") * 200,
        ],
        ids=["doubling", "nesting", "repeating", "growing", "quoting"],
    )
    def test_a_hostile_text_costs_little(self, text: str) -> None:
        began = time.process_time()
        paths("A=" + "y" * 200 + "\n" + text)
        assert time.process_time() - began < 0.8
