"""The page docs/reference/parameters.md, made of what the code says.

`python -m tests.ocfkit.parameters_page` writes it anew.
"""

# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ocfkit import params

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/reference/parameters.md"

_SOURCE: Final = ast.parse(inspect.getsource(params))

COMMON: Final = {"desc", "default", "required", "options"}

KINDS: Final[dict[str, tuple[params.AnyParam, Sequence[str]]]] = {
    "string": (params.string("S", default="", pattern="[a-z]+"), ["abc", "ABC"]),
    "secret": (params.secret("S", default=None), ["anything"]),
    "integer": (params.integer("I", default=1, minimum=1), ["17", " +17 ", "0", "1.0", "1e3"]),
    "port": (params.port("P", default=80), ["80", "65535", "0", "http"]),
    "boolean": (params.boolean("B", default=True), ["yes", "TRUE", "1", "off", "n", "maybe"]),
    "duration": (
        params.duration("D", default="20s"),
        ["20", "500ms", "1.5min", "1 h", "-1s", "1d"],
    ),
    "path": (params.path("P", default="/srv"), ["/srv/www", "srv/www", "~"]),
    "executable": (params.executable("E", default="sh"), ["nginx", "/usr/sbin/nginx", "./nginx"]),
    "host": (
        params.host("H", default="localhost"),
        ["db-1.example.org", "192.0.2.1", "fe80::1%eth0", "1.2.3", "[::1]", "a b"],
    ),
    "enum": (
        params.enum("E", choices=["fast", "safe"], default="safe"),
        ["fast", "Fast", "slow"],
    ),
}
"""Name of each function → one that it makes, and texts to try on it."""

TOP: Final = """\
# Parameters

What an operator can configure, declared as attributes of the agent's class:

```python
port = param.port("TCP port to listen on.", default=8080, unique="address")
config = param.path("Configuration file.", exists="file", required=True)
```

`self.port` is the value, an `int` for the reader and for mypy and pyright; `Web.port` is the
declaration. One declaration is what the meta-data advertises, what is read and checked, and what is
used where nothing is configured.

This page is made of the code: `python -m tests.ocfkit.parameters_page`.
"""

DEFAULTS: Final = """
## Default or required

Every parameter says one of three things:

| | where it is not set, the agent sees | in the meta-data |
| --- | --- | --- |
| `default=80` | `80` | `default="80"` |
| `default=None` | `None` | no default |
| `required=True` | nothing: the action ends with 6, "not configured" | `required="1"` |

A value that is empty counts as not set. A default is advertised the way that Pacemaker writes it:
`default="1min"` of a duration as `60s`, `default=True` as `true`. An empty text is a default as
well, and advertised as one.
"""

VALUES: Final = """
## When a value is wrong

Every action looks at all parameters first, and tells all that is wrong in one reason, with exit code
6: what was expected and what was seen. A monitor and a stop see besides
[whether something runs](../explanation/what-the-framework-does.md#what-is-missing-does-not-decide-what-runs-does).

A path with `exists=…` and an executable are looked for on the node: by start, monitor and stop, and
by `validate-all` at level 10, never at level 0. Where one is missing, the service is not installed.

A parameter that nobody has declared is a line in the log, not an error: the cluster would stop the
resource everywhere.

## When a declaration is wrong

It is told when the class is made, as `ocfkit.DeclarationError`, all of it at once. `sentences` has
one for each mistake:

```
Web is no agent: parameter port: say default=… (None is one) or required=True
Web is no agent: parameter mode: its choice 'fast' stands there twice
```

Only a default that has to match a `pattern`, and the pattern itself, are left out in a process that
runs without `site` (`python3 -IS`, as launchers do): regular expressions cost half as much as a whole
monitor, and `ocfkit install` has looked at them.
"""


def page() -> str:
    """The whole page."""
    tables = [_kinds(), _samples(), _options()]
    first, second, third = ("\n".join(each) + "\n" for each in tables)
    return f"{TOP}{first}{second}{DEFAULTS}{third}{VALUES}"


def _kinds() -> Iterator[str]:
    yield "\n## Kinds\n"
    yield "| declared by | is | value | in the meta-data | its own options |"
    yield "| --- | --- | --- | --- | --- |"
    for name, (parameter, _) in KINDS.items():
        function = getattr(params, name)
        own = [each for each in inspect.signature(function).parameters if each not in COMMON]
        kind: str = parameter.kind.content_type
        kind += ", `select` in 1.1" if parameter.kind.choices else ""
        options = ", ".join(f"`{each}`" for each in own)
        yield (
            f"| `param.{name}` | {_sentence(function.__doc__)} | `{_value_of(name)}` | {kind} "
            f"| {options} |"
        )


def _samples() -> Iterator[str]:
    yield "\n## What each takes\n"
    yield "| kind | expects | takes | refuses |"
    yield "| --- | --- | --- | --- |"
    for name, (parameter, texts) in KINDS.items():
        taken = [text for text in texts if _takes(parameter, text)]
        refused = [text for text in texts if text not in taken]
        expected = parameter.kind.expected()
        yield f"| `{name}` | {expected} | {_quoted(taken)} | {_quoted(refused)} |"


def _options() -> Iterator[str]:
    yield "\n## Options of every parameter\n"
    yield "| option | type | |"
    yield "| --- | --- | --- |"
    body = _class("Options").body
    for field, doc in zip(body[1::2], body[2::2], strict=True):
        assert isinstance(field, ast.AnnAssign)
        assert isinstance(doc, ast.Expr)
        kind = ast.unparse(field.annotation).replace("|", "or")
        yield f"| `{ast.unparse(field.target)}` | `{kind}` | {ast.literal_eval(doc.value)} |"


def _class(name: str) -> ast.ClassDef:
    return next(
        each for each in ast.walk(_SOURCE) if isinstance(each, ast.ClassDef) and each.name == name
    )


def _value_of(name: str) -> str:
    """The type that checkers give the value of a required parameter, from the overloads."""
    for each in ast.walk(_SOURCE):
        if isinstance(each, ast.FunctionDef) and each.name == name and each.decorator_list:
            arguments = {one.arg: one.annotation for one in each.args.kwonlyargs}
            if "required" in arguments and isinstance(each.returns, ast.Subscript):
                return ast.unparse(each.returns.slice)
    raise LookupError(name)


def _takes(parameter: params.AnyParam, text: str) -> bool:
    try:
        parameter.kind.read(text)
    except ValueError:
        return False
    return True


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(f"`{text}`" if text == text.strip() else f"`{text!r}`" for text in texts)


def _sentence(doc: str | None) -> str:
    return " ".join((doc or "").split()).rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
