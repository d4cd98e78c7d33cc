"""Find an agent by a word: a registered name, FILE.py[:Class] or module:Class.

For the command line, which loads the agent into its own process; an agent's process is told module
and class by its launcher.
"""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import ocfkit
from ocfkit.agent import Agent
from ocfkit.agents import SHIPPED
from ocfkit.errors import DeclarationError
from ocfkit.log import one_line, text_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeGuard

GROUP = "ocfkit.agents"
"""The group of entry points in which packages register agents, by the name that a cluster uses."""

HOME = os.path.dirname(os.path.dirname(os.path.abspath(ocfkit.__file__)))
"""The folder that the package ocfkit lies in."""


class AgentError(Exception):
    """A word leads to no agent; the arguments are the sentences that say why."""


@dataclass(frozen=True)
class Registered:
    """An agent that an installed package has registered; it has not been loaded."""

    name: str
    """As a cluster knows it, e.g. "web"."""
    target: str
    """Such as "acme.web:Web"."""


@dataclass(frozen=True)
class Found:
    """An agent, and how another process finds it."""

    cls: type[Agent]
    name: str
    """As a cluster knows it: the registered name, the stem of the file, or the class's."""
    target: str
    """Module and class, e.g. "acme.web:Web"."""
    folder: str
    """What has to be on sys.path for that."""
    file: str
    """The file of the module."""


def registered() -> list[Registered]:
    """All agents of the packages that are installed, sorted by name.

    Those that ship are known in a checkout too, where no package is.
    """
    found = {Registered(each.name, each.value) for each in entry_points(group=GROUP)}
    found |= {Registered(name, target) for name, target in SHIPPED.items()}
    return sorted(found, key=lambda each: (each.name, each.target))


def find(word: str) -> Found:
    """Load the agent that a word names; raises AgentError."""
    known = registered()
    meant = [each for each in known if each.name == word]
    if len(meant) > 1:
        targets = " and as ".join(each.target for each in meant)
        raise AgentError(f"{word} is registered as {targets}: name one of them")
    if meant:
        return load(meant[0])
    path, cls = _split_file(word)
    if path:
        return _in_file(path, cls)
    if ":" in word:
        return _in_module(word)
    raise AgentError(_unknown(word, [each.name for each in known]))


def load(agent: Registered) -> Found:
    """Load a registered agent; raises AgentError."""
    return _in_module(agent.target, name=agent.name)


def name_of(word: str) -> str:
    """The name that an agent has in a cluster, by the word alone: nothing is loaded."""
    path, cls = _split_file(word)
    if path and not cls:
        return _stem(path)
    return word.rpartition(":")[2].lower() if ":" in word else word


def why_not_a_module(name: str, folder: str) -> str | None:
    """Why a file of this name in this folder could not be imported as what it is."""
    if wrong := _why_no_name(name):
        return wrong
    if name in sys.stdlib_module_names:
        return f"Python has a module {name} of its own"
    # The folder comes first for a launcher and in a test, others may come first elsewhere.
    others = [each for each in [HOME, *package_folders(sys.path)] if each != folder]
    importlib.invalidate_caches()
    other = PathFinder.find_spec(name, others)
    if other is not None and other.origin is not None:
        return f"there is a module {name} already, {other.origin}"
    return None


def package_folders(path: Iterable[str]) -> list[str]:
    """The folders of a sys.path in which packages are installed, drivers of databases say."""
    names = ("site-packages", "dist-packages")
    return [each for each in path if os.path.basename(each) in names and os.path.isabs(each)]


# --- words ----------------------------------------------------------------------------------------


def _split_file(word: str) -> tuple[str, str]:
    """Path and class of FILE.py[:Class]; an empty path where it is no file."""
    if word.endswith(".py"):
        return word, ""
    path, _, cls = word.rpartition(":")
    return (path, cls) if path.endswith(".py") else ("", "")


def _stem(path: str) -> str:
    return os.path.basename(path).removesuffix(".py")


def _unknown(word: str, known: list[str]) -> str:
    if os.path.isfile(f"{word}.py"):
        return f"there is no agent {word!r}; say {word}.py for the file"
    near = nearest(word, known)
    if near:
        return f"there is no agent {word!r}; did you mean {near}?"
    return f"there is no agent {word!r}: name a registered one, FILE.py or module:Class"


def nearest(word: str, known: Iterable[str]) -> str:
    """What a mistyped word may have meant, as "one, two"; "" when nothing is near."""
    return ", ".join(get_close_matches(word, list(known), n=3, cutoff=0.7))


def _why_no_name(name: str) -> str | None:
    if name.isidentifier() and not keyword.iskeyword(name):
        return None
    return f"{name!r} is no name of a module, which is letters, digits and _"


# --- files and modules ----------------------------------------------------------------------------


def _in_file(path: str, wanted: str) -> Found:
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        raise AgentError(f"there is no file {path}")
    folder, names = _place(file)
    wrong = why_not_a_module(names[0], folder)
    for each in names[1:]:
        wrong = wrong or _why_no_name(each)
    if wrong:
        raise AgentError(f"{path} cannot be imported: {wrong}; rename it")
    module = ".".join(names)
    with _importable(folder):
        loaded = imported(path, lambda: _import_file(module, file))
    cls = _named(loaded, wanted, path) if wanted else _only(loaded, path)
    name = cls.__name__.lower() if wanted else _stem(path)
    return Found(cls, name, f"{module}:{cls.__name__}", folder, file)


def _place(file: str) -> tuple[str, list[str]]:
    """The folder to import a file from, and its name there behind those of its packages."""
    folder = os.path.dirname(file)
    names = [_stem(file)]
    while os.path.isfile(f"{folder}/__init__.py"):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    return folder, names


def _import_file(module: str, file: str) -> ModuleType:
    """Load this very file, whatever has been imported by its name before."""
    package = module.rpartition(".")[0]
    if package:
        importlib.import_module(package)
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module can be made of {file}")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def _in_module(target: str, name: str = "") -> Found:
    module, _, wanted = target.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise AgentError(f"{target}: {module!r} is no name of a module")
    loaded = imported(name or target, lambda: importlib.import_module(module))
    cls = _named(loaded, wanted, module) if wanted else _only(loaded, module)
    file = os.path.abspath(loaded.__file__ or "")
    folder = os.path.dirname(file) if os.path.basename(file) == "__init__.py" else file
    for _ in module.split("."):
        folder = os.path.dirname(folder)
    target = f"{module}:{wanted or cls.__name__}"
    return Found(cls, name or cls.__name__.lower(), target, folder, file)


@contextmanager
def _importable(folder: str) -> Generator[None]:
    """Let modules of the folder be imported, after all others as in a launcher."""
    sys.path.append(folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the author's module has had a hand in it
            sys.path.remove(folder)


def imported(what: str, load: Callable[[], ModuleType]) -> ModuleType:
    """Load a module of an author, whatever that does; raises AgentError.

    What it prints goes to standard error.
    """
    try:
        with redirect_stdout(sys.stderr):
            return load()
    except KeyboardInterrupt:
        raise
    except DeclarationError as error:
        raise AgentError(*(f"{what}: {line}" for line in str(error).splitlines())) from error
    except BaseException as error:
        raise AgentError(f"{what} cannot be loaded: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """Kind, text and place of an error, in one line."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        file = os.path.basename(error.filename or "?")
        return f"{kind}: {one_line(error.msg)} ({file}, line {error.lineno})"
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        importing = trace.tb_frame.f_globals.get("__name__") in (__name__, "importlib")
        if not importing and not file.startswith("<frozen"):
            place = f" ({os.path.basename(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{kind}: {one_line(text_of(error))}{place}"


# --- classes --------------------------------------------------------------------------------------


def _is_agent(value: object) -> TypeGuard[type[Agent]]:
    return isinstance(value, type) and issubclass(value, Agent)


def _only(module: ModuleType, what: str) -> type[Agent]:
    """The one agent of a module."""
    values: list[Any] = list(vars(module).values())
    mine = [each for each in values if _is_agent(each) and each.__module__ == module.__name__]
    agents = [each for each in dict.fromkeys(mine) if not each.is_abstract]
    if not agents:
        raise AgentError(f"{what} holds no agent: a class that is derived from Agent or Daemon")
    if len(agents) > 1:
        names = ", ".join(each.__name__ for each in agents)
        raise AgentError(f"{what} holds several agents ({names}): say {what}:{agents[0].__name__}")
    return agents[0]


def _named(module: ModuleType, wanted: str, what: str) -> type[Agent]:
    """The agent of a module that has this name."""
    found = getattr(module, wanted, None)
    if not _is_agent(found):
        agents = [name for name, each in vars(module).items() if _is_agent(each)]
        near = nearest(wanted, agents)
        hint = f"; did you mean {near}?" if near else ""
        fault = f"{what} has no agent {wanted}" if found is None else f"{wanted} is no agent"
        raise AgentError(f"{fault}{hint}")
    if found.is_abstract:
        raise AgentError(f"{wanted} is no agent: it is only derived from")
    return found
