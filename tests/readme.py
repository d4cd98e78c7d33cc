"""The commands that README.md tells a reader to type."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commands() -> list[str]:
    """Return what follows `$ ` in the ```console blocks, in order."""
    found: list[str] = []
    inside = False
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(line.removeprefix("$ ").partition("  #")[0].strip())
    return found


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    parts = (ROOT / "README.md").read_text("utf-8").split(f"\n```{language}\n")[1:]
    return [part.partition("\n```")[0] + "\n" for part in parts]


def first(door: str) -> str:
    """Return the first command that goes through `./dev DOOR`, without its sudo."""
    prefix = f"./dev {door}"
    return next(
        plain
        for command in commands()
        if (plain := command.removeprefix("sudo ")).startswith(prefix)
    )


def answer(command: str) -> list[str]:
    """Return the lines that are shown below a command, as far as the next one."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    below = lines[next(n for n, line in enumerate(lines) if line.endswith(f" {command}")) + 1 :]
    return list(takewhile(lambda line: not line.startswith(("$ ", "```")), below))
