"""What the words of the command line mean: an agent, parameters, rules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ocfkit.commands.arguments import WrongCallError
from ocfkit.launchers import LauncherError

if TYPE_CHECKING:
    from ocfkit.conformance.agent_file import AgentFile
    from ocfkit.conformance.rules import Rule

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""Of a parameter: more than a shell takes for a variable, since agents have had such."""

_LONGEST = 1 << 16
"""Bytes of a value; the kernel takes twice as many."""


def agent(word: str, root: str, image: str | None = None) -> AgentFile:
    """What the word means; raises WrongCallError, or AgentError for one of ocfkit's.

    Whether an image has an agent of this name is not known before it runs.
    """
    from ocfkit.conformance import agent_file, launched

    try:
        if agent_file.is_name(word):
            return agent_file.installed(word) if image else agent_file.named(word, root)
        if (os.sep in word or os.path.isfile(word)) and not launched.is_source(word):
            return agent_file.carried(word) if image else agent_file.at(word, root)
        if word.startswith("ocf:"):
            raise WrongCallError(f"{word!r} is no ocf:PROVIDER:TYPE")
        if os.path.isdir(word):
            raise WrongCallError(f"{word} is a folder; which agent in it?")
    except agent_file.AgentFileError as error:
        raise WrongCallError(str(error)) from None
    if image:
        raise WrongCallError(
            f"--image {image}: {word} is an agent of this host's ocfkit; a container takes an "
            "executable file, or ocf:PROVIDER:TYPE of the image"
        )
    if root != "/":
        raise WrongCallError(f"--root {root}: {word} is an agent of this system alone")
    try:
        return launched.agent(word)
    except LauncherError as error:
        raise WrongCallError(*error.args) from None


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Names and values, those in files read; raises WrongCallError."""
    made: dict[str, str] = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or _NAME.fullmatch(name) is None:  # what stands behind it may be a secret
            raise WrongCallError(f"NAME=VALUE is wanted, and {name!r} is no name with a value")
        if name in made:
            raise WrongCallError(f"{name} is given twice")
        made[name] = _read(name, value[1:]) if value.startswith("@") else value
        if "\0" in made[name]:
            raise WrongCallError(f"the value of {name} has a NUL character in it")
        if len(made[name].encode(errors="surrogateescape")) > _LONGEST:
            raise WrongCallError(f"the value of {name} is longer than {_LONGEST >> 10} KiB")
    return made


def _read(name: str, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_LONGEST + 1).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8"
        raise WrongCallError(f"{name}=@{path} cannot be read: {why}") from None


def from_files(words: Sequence[str]) -> Iterator[str]:
    """Names of those whose values stand in files: what that is for is to tell nobody."""
    return (word.partition("=")[0] for word in words if word.partition("=")[2].startswith("@"))


def chosen(words: Sequence[str] | None) -> tuple[tuple[Rule, ...], list[str] | None]:
    """The rules to be judged, and their ids if they were chosen one by one."""
    from ocfkit.conformance.rules import RULES

    if words is None:
        return RULES, None
    ids = {rule(part.strip()).id for word in words for part in word.split(",")}
    return tuple(rule for rule in RULES if rule.id in ids), sorted(ids)


def rule(word: str) -> Rule:
    """The rule of an id; raises WrongCallError with the nearest one."""
    from ocfkit.catalogue import nearest
    from ocfkit.conformance.rules import RULES, by_id

    try:
        return by_id(word)
    except KeyError:
        near = nearest(word, [rule.id for rule in RULES])
        hint = f"did you mean {near}?" if near else "--list-rules shows them all"
        raise WrongCallError(f"there is no rule {word!r}; {hint}") from None
