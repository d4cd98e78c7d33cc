"""The program of a process that is an agent under test: what a launcher says, and a little more."""

from __future__ import annotations

import inspect
import os
import sys

import ocfkit
from ocfkit.agent import Agent

_PROGRAM = """\
import sys
bare = set(sys.modules)
sys.path += {path!r}
import os
end = os._exit
def tell_and_end(code):
    try:
        told = os.open({modules!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(told, " ".join([*(set(sys.modules) - bare), ""]).encode())
    except OSError:
        pass
    end(code)
os._exit = tell_and_end
sys.argv = [{name!r}, {action!r}]
{prepared}from ocfkit.runtime import launch
launch({target!r}, name={name!r}, profile={profile!r})
"""

_LOADED = """\
import importlib.util
spec = importlib.util.spec_from_file_location({module!r}, {file!r})
sys.modules[{module!r}] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""

_PRETENDED = """\
from ocfkit import dispatch
dispatch.is_root = lambda: {as_root!r}
"""


def program(
    cls: type[Agent],
    action: str,
    name: str,
    profile: str,
    *,
    modules: str,
    as_root: bool | None,
) -> str:
    """Text for `python3 -IS -c`.

    Each process that ends as the agent does appends the names of its modules to the file `modules`.
    `as_root` answers the question whether root asks; the kernel is asked without it.
    """
    file = inspect.getfile(cls)
    if "." in cls.__qualname__:
        raise ValueError(f"{cls.__qualname__} has to stand at the top of {file} to be a process")
    module = cls.__module__
    prepared = ""
    home = _home(module, file)
    if home is None:
        module = "agent_under_test" if module == "__main__" else module
        prepared += _LOADED.format(module=module, file=file)
    if as_root is not None and action != "meta-data":
        prepared += _PRETENDED.format(as_root=as_root)
    framework = os.path.dirname(os.path.dirname(os.path.abspath(ocfkit.__file__)))
    path = [framework, *([home] if home else []), *filter(os.path.isabs, sys.path)]
    return _PROGRAM.format(
        path=list(dict.fromkeys(path)),
        modules=modules,
        name=name,
        action=action,
        prepared=prepared,
        target=f"{module}:{cls.__name__}",
        profile=profile,
    )


def _home(module: str, file: str) -> str | None:
    """The folder from which the module can be imported by its name; None where that is unsure.

    A test's module may have a name that only pytest knows how to import.
    """
    packages = module.split(".")[:-1]
    folder = os.path.dirname(os.path.abspath(file))
    if module == "__main__":
        return None
    for package in reversed(packages):
        if os.path.basename(folder) != package or not os.path.exists(f"{folder}/__init__.py"):
            return None
        folder = os.path.dirname(folder)
    return folder
