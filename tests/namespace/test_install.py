"""`ocfkit install` as root: nobody really tries."""

from __future__ import annotations

from pathlib import Path

from tests.ocfkit.command import FLAG, copy_of_ocfkit, ocfkit, public_folder, public_python, write


def install(folder: Path, agent: Path) -> tuple[int, str]:
    where = ["--ocf-root", str(folder / "ocf")]
    done = ocfkit("install", agent, *where, python=public_python(), home=folder / "home")
    return done.returncode, done.stderr


def test_what_a_permission_does_not_show_is_tried_as_nobody() -> None:
    with public_folder() as folder:
        copy_of_ocfkit(folder)
        agent = write(folder / "flagship.py", f"import beside_it\n{FLAG}")
        beside = write(folder / "beside_it.py", "")
        beside.chmod(0o600)
        code, said = install(folder, agent)
        assert code == 1
        assert said.startswith(
            "ocfkit: flagship would answer root alone: error in the agent: loading it: "
            f"PermissionError: [Errno 13] Permission denied: '{beside}'"
        )
        assert not (folder / "ocf").exists()
        beside.chmod(0o644)
        assert install(folder, agent) == (0, "")


def test_an_agent_that_lets_root_alone_ask_is_refused() -> None:
    with public_folder() as folder:
        copy_of_ocfkit(folder)
        text = "import os\nif os.geteuid():\n    raise SystemExit('root only')\n" + FLAG
        code, said = install(folder, write(folder / "flagship.py", text))
        assert code == 1
        assert "flagship would answer root alone: error in the agent: loading it: " in said
