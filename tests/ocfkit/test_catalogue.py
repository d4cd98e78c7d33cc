"""An agent by a word: what it leads to, and what is said where it leads nowhere."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

from ocfkit import catalogue
from ocfkit.agents import SHIPPED
from ocfkit.catalogue import AgentError
from tests.ocfkit.command import FLAG, ROOT, write

TWO = FLAG + FLAG[FLAG.index("class Flag") :].replace("class Flag(", "class Pole(")
BROKEN = "from ocfkit import Agent\n\nclass Web(Agent):\n    pass\n"


def refusal(word: str | Path) -> tuple[str, ...]:
    with pytest.raises(AgentError) as caught:
        catalogue.find(str(word))
    return caught.value.args


def put_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let modules be imported from a folder, for the rest of the test."""
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


def register(folder: Path, package: str, group: str = catalogue.GROUP, **points: str) -> None:
    """Lay out what an installed package leaves."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]))


class TestFiles:
    def test_is_called_like_its_file(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flagship.py")
        found = catalogue.find(str(file))
        assert (found.name, found.target) == ("flagship", "flagship:Flag")
        assert (found.folder, found.file) == (str(tmp_path), str(file))
        assert found.cls.declaration.short == "Be a file."

    def test_is_called_like_its_class_where_that_is_named(self, tmp_path: Path) -> None:
        found = catalogue.find(f"{write(tmp_path / 'both.py', TWO)}:Pole")
        assert (found.name, found.target) == ("pole", "both:Pole")

    def test_is_found_from_the_folder_that_one_is_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "flagship.py")
        monkeypatch.chdir(tmp_path)
        assert catalogue.find("flagship.py").folder == str(tmp_path)

    def test_may_import_what_lies_beside_it(self, tmp_path: Path) -> None:
        write(tmp_path / "beside_it.py", "SHORT = 'Be beside.'\n")
        file = write(tmp_path / "flagship.py", f"import beside_it\n{FLAG}")
        assert catalogue.find(str(file)).name == "flagship"
        assert str(tmp_path) not in sys.path

    def test_in_a_package_is_imported_as_a_part_of_it(self, tmp_path: Path) -> None:
        package = tmp_path / "acme_package"
        package.mkdir()
        write(package / "__init__.py", "")
        write(package / "words.py", "WORD = 1\n")
        file = write(package / "http.py", f"from .words import WORD\n{FLAG}")
        found = catalogue.find(str(file))
        assert (found.name, found.target) == ("http", "acme_package.http:Flag")
        assert found.folder == str(tmp_path)

    def test_of_the_same_name_are_told_apart(self, tmp_path: Path) -> None:
        for name, text in (("one", FLAG), ("two", FLAG.replace("Be a file", "Be another"))):
            (tmp_path / name).mkdir()
            write(tmp_path / name / "flagship.py", text)
        said = [
            catalogue.find(f"{tmp_path}/{name}/flagship.py").cls.declaration.short
            for name in ("one", "two", "one")
        ]
        assert said == ["Be a file.", "Be another.", "Be a file."]

    def test_an_abstract_class_beside_the_agent_is_none(self, tmp_path: Path) -> None:
        base = "from ocfkit import Agent\n\nclass Base(Agent, abstract=True):\n    pass\n\n"
        file = write(tmp_path / "flagship.py", base + FLAG)
        assert catalogue.find(str(file)).cls.__name__ == "Flag"
        assert refusal(f"{file}:Base")[0].startswith("Base is no agent: it is only derived from")

    def test_an_agent_that_is_imported_is_another_files(self, tmp_path: Path) -> None:
        write(tmp_path / "first_one.py")
        text = FLAG.replace("class Flag", "class Mine").replace("import os", "import first_one")
        text = text.replace("from ocfkit", "from first_one import Flag\nfrom ocfkit")
        assert catalogue.find(str(write(tmp_path / "second.py", text))).cls.__name__ == "Mine"

    def test_what_a_module_prints_is_no_output_of_ours(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        catalogue.find(str(write(tmp_path / "noisy.py", f"print('noise')\n{FLAG}")))
        assert capsys.readouterr() == ("", "noise\n")


class TestRefusedFiles:
    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "web.py") == (f"there is no file {tmp_path}/web.py",)

    @pytest.mark.parametrize("name", ["http", "random", "sys"])
    def test_one_that_is_called_like_a_module_of_python(self, tmp_path: Path, name: str) -> None:
        (sentence,) = refusal(write(tmp_path / f"{name}.py"))
        assert f"Python has a module {name} of its own; rename it" in sentence

    @pytest.mark.parametrize("name", ["ocfkit", "lsbcheck", "pytest"])
    def test_one_that_is_called_like_a_module_that_is_installed(
        self, tmp_path: Path, name: str
    ) -> None:
        (sentence,) = refusal(write(tmp_path / f"{name}.py"))
        assert f"there is a module {name} already, /" in sentence
        assert "rename it" in sentence

    @pytest.mark.parametrize("name", ["my-agent", "1st", "class", "a.b"])
    def test_one_that_is_no_name_of_a_module(self, tmp_path: Path, name: str) -> None:
        (sentence,) = refusal(write(tmp_path / f"{name}.py"))
        assert "is no name of a module" in sentence
        assert "rename it" in sentence

    def test_one_without_an_agent(self, tmp_path: Path) -> None:
        file = write(tmp_path / "empty.py", "from ocfkit import Agent, Daemon\n")
        assert "holds no agent" in refusal(file)[0]

    def test_one_with_several_agents(self, tmp_path: Path) -> None:
        file = write(tmp_path / "both.py", TWO)
        assert refusal(file) == (f"{file} holds several agents (Flag, Pole): say {file}:Flag",)

    def test_one_without_the_agent_that_is_named(self, tmp_path: Path) -> None:
        file = write(tmp_path / "both.py", TWO)
        assert refusal(f"{file}:Flga") == (f"{file} has no agent Flga; did you mean Flag?",)
        assert refusal(f"{file}:os") == ("os is no agent",)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("def f(:", "SyntaxError: invalid syntax (web.py, line 1)"),
            (
                "import nonexistent",
                "ModuleNotFoundError: No module named 'nonexistent' (web.py, line 1)",
            ),
            ("\n\n1 / 0", "ZeroDivisionError: division by zero (web.py, line 3)"),
            ("raise SystemExit('end')", "SystemExit: end (web.py, line 1)"),
            ("raise ValueError('a\\nb')", "ValueError: a b (web.py, line 1)"),
            ("from ocfkit import nothing", "ImportError: cannot import name 'nothing'"),
        ],
    )
    def test_one_that_cannot_be_loaded(self, tmp_path: Path, text: str, sentence: str) -> None:
        file = write(tmp_path / "web.py", text)
        (said,) = refusal(file)
        assert said.startswith(f"{file} cannot be loaded: {sentence}")
        assert "\n" not in said

    def test_one_whose_class_is_wrong_in_several_ways(self, tmp_path: Path) -> None:
        file = write(tmp_path / "web.py", BROKEN)
        said = refusal(file)
        assert len(said) == 4
        assert said[0] == (
            f"{file}: Web is no agent: it has no docstring, whose first line is the short "
            "description"
        )


class TestModules:
    def test_are_found_on_the_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "acme_on_path"
        package.mkdir()
        write(package / "__init__.py", "")
        write(package / "web.py")
        put_first(tmp_path, monkeypatch)
        found = catalogue.find("acme_on_path.web:Flag")
        assert (found.name, found.target) == ("flag", "acme_on_path.web:Flag")
        assert (found.folder, found.file) == (str(tmp_path), f"{package}/web.py")

    def test_may_be_packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "acme_whole"
        package.mkdir()
        write(package / "__init__.py")
        put_first(tmp_path, monkeypatch)
        assert catalogue.find("acme_whole:Flag").folder == str(tmp_path)

    @pytest.mark.parametrize(
        ("word", "sentence"),
        [
            ("acme_no:Web", "acme_no:Web cannot be loaded: ModuleNotFoundError: No module"),
            ("json:Decoder", "json has no agent Decoder"),
            ("a-b:Web", "a-b:Web: 'a-b' is no name of a module"),
            (":Web", ":Web: '' is no name of a module"),
        ],
    )
    def test_that_are_none_are_refused(self, word: str, sentence: str) -> None:
        assert refusal(word)[0].startswith(sentence)

    def test_of_the_folder_that_one_is_in_are_not_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "planted.py", "raise SystemExit('hijacked')")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
        assert "No module named 'planted'" in refusal("planted:Web")[0]


class TestRegistered:
    @pytest.fixture
    def acme(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        register(tmp_path, "acme", flagship="acme_flags:Flag", broken="acme_broken:Web")
        write(tmp_path / "acme_flags.py")
        write(tmp_path / "acme_broken.py", BROKEN)
        put_first(tmp_path, monkeypatch)
        return tmp_path

    def test_are_called_as_they_are_registered(self, acme: Path) -> None:
        found = catalogue.find("flagship")
        assert (found.name, found.target) == ("flagship", "acme_flags:Flag")
        assert found.folder == str(acme)

    @pytest.mark.usefixtures("acme")
    def test_are_listed_without_being_loaded(self) -> None:
        assert [(each.name, each.target) for each in catalogue.registered()] == [
            ("broken", "acme_broken:Web"),
            ("flagship", "acme_flags:Flag"),
            *SHIPPED.items(),
        ]
        assert "acme_broken" not in sys.modules

    def test_are_those_that_ship_as_the_package_registers_them(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert project["entry-points"][catalogue.GROUP] == SHIPPED

    @pytest.mark.usefixtures("acme")
    def test_that_are_broken_are_told_by_their_name(self) -> None:
        assert refusal("broken")[0].startswith("broken: Web is no agent: it has no docstring")

    @pytest.mark.usefixtures("acme")
    def test_that_are_mistyped_are_guessed(self) -> None:
        assert refusal("flagshp") == ("there is no agent 'flagshp'; did you mean flagship?",)

    def test_twice_are_not_guessed(self, acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        other = acme / "other"
        other.mkdir()
        register(other, "other", flagship="other_flags:Flag")
        put_first(other, monkeypatch)
        (sentence,) = refusal("flagship")
        assert "registered as acme_flags:Flag and as other_flags:Flag" in sentence

    def test_a_file_of_that_name_is_suggested(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "web.py")
        monkeypatch.chdir(tmp_path)
        assert refusal("web") == ("there is no agent 'web'; say web.py for the file",)

    def test_a_word_that_is_nothing_is_told_what_could_be(self) -> None:
        assert "name a registered one, FILE.py or module:Class" in refusal("web")[0]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("web", "web"),
        ("web.py", "web"),
        ("/no/such/folder/web.py", "web"),
        ("./web.py:WebServer", "webserver"),
        ("acme.web:WebServer", "webserver"),
    ],
)
def test_the_name_is_told_by_the_word_alone(word: str, name: str) -> None:
    assert catalogue.name_of(word) == name


def test_the_framework_lies_in_the_checkout() -> None:
    assert Path(catalogue.HOME) == ROOT
    assert os.path.isabs(catalogue.HOME)
