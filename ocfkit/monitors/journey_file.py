"""The file that a journey is written in: TOML, read into steps or into the list of its mistakes."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ocfkit import durations
from ocfkit.errors import ActionError, ParameterError, told
from ocfkit.monitors import patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Literal, TypeGuard

    Action = Literal["get", "post", "submit", "follow"]
    """What a step begins with."""
    Table = dict[str, object]
    Values = dict[str, Any]
    """What the keys of a table say, each as its key reads it."""

_LARGEST_FILE = 1 << 20
_LARGEST_SECRET = 1 << 16
_TOLD = 10
"""So many mistakes are told at once."""

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_SAVED_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HOST_NAME = re.compile(r"[\w.-]+")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|auth|cookie|api.?key", re.IGNORECASE)


class _WrongError(ValueError):
    """What is wrong with a value, told without the name of its key."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that does not stand in the journey's file."""

    file: str = ""
    """Path of the file that it stands in."""
    parameter: str = ""
    """Name under which the agent passes it."""


Input = str | bool | Secret
"""What is written into a field; a box is ticked or not."""


@dataclass(frozen=True, slots=True)
class Key:
    """A word of the file."""

    read: Callable[[object], object]
    """Turns a value into what is kept; raises _WrongError."""
    expected: str
    """What may stand there: "a text", for a mistake and for the reference."""
    meaning: str
    """For the reference."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request that is made, and what is expected of the page it leads to."""

    number: int
    name: str
    action: Action
    target: str | int
    """An address, the text of a link, or which form."""
    fields: Mapping[str, Input] = field(default_factory=dict[str, Input])
    form: Mapping[str, Input] | None = None
    json: object = None
    """What `json` says; None for no body."""
    headers: Mapping[str, Input] = field(default_factory=dict[str, Input])
    status: tuple[int, ...] = ()
    """Those that are right; empty for any from 200 to 299."""
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()
    match: tuple[str, ...] = ()
    not_match: tuple[str, ...] = ()
    header_match: Mapping[str, str] = field(default_factory=dict[str, str])
    save: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float | None = None

    @property
    def title(self) -> str:
        """How reasons call it: "step 2 (log in)"."""
        return f"step {self.number} ({self.name})" if self.name else f"step {self.number}"

    @property
    def takes_redirect(self) -> bool:
        """Whether a redirect is itself what is expected."""
        return any(300 <= each < 400 for each in self.status)


@dataclass(frozen=True, slots=True)
class Journey:
    """A file that was read, without a mistake in it."""

    path: str
    steps: tuple[Step, ...]
    hosts: frozenset[str]
    """Names of the hosts that it may go to, in small letters."""
    base: str = ""
    """What relative addresses lead to, as "https://shop.example"."""
    connect: str = ""
    """IP address to find the host of `base` at, whatever the name service says."""
    ca_file: str = ""
    verify: bool = True
    is_public: bool = False
    """Whether everybody may read the file."""

    def secrets(self) -> Iterator[tuple[str, Secret]]:
        """Where a secret is used, as "step 2 (log in): fields.password", and which."""
        for step in self.steps:
            for key, value in (("fields", step.fields), ("headers", step.headers)):
                yield from _secrets_in(value, f"{step.title}: {key}")
            yield from _secrets_in(step.form, f"{step.title}: form")
            yield from _secrets_in(step.json, f"{step.title}: json")


def load(path: str) -> Journey:
    """Read a file; raises ParameterError with all its mistakes, those of secret files too."""
    text, mode = _contents(path, "journey", _LARGEST_FILE)
    try:
        written: Table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # tomllib says where, and never more than a character of what stands there
        said = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise ParameterError(f"journey {path} is no TOML: {said}") from None
    journey, mistakes = _read(path, written, is_public=bool(mode & stat.S_IROTH))
    if mode & stat.S_IWOTH:
        mistakes.append(f"everybody may write to it: chmod o-w {path}")
    if journey is not None:
        mistakes += _faults_of_secrets(journey)
    if journey is None or mistakes:
        more = len(mistakes) - _TOLD
        rest = [f"and {more} mistakes more"] if more > 0 else []
        raise ParameterError(f"journey {path}: {'; '.join(mistakes[:_TOLD] + rest)}")
    return journey


def _faults_of_secrets(journey: Journey) -> Iterator[str]:
    for where, secret in journey.secrets():
        if secret.file:
            try:
                secret_in(secret.file)
            except ParameterError as error:
                yield f"{where}: {error}"


def secret_in(path: str) -> str:
    """The first line of a secret's file, which others may not read; raises ParameterError."""
    text, mode = _contents(path, "secret", _LARGEST_SECRET)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ParameterError(f"secret {path}: everybody may read it: chmod o= {path}")
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or "\n" in secret or "\0" in secret:
        raise ParameterError(f"secret {path}: expected one line")
    return secret


def secret_values(journey: Journey, given: Mapping[str, str]) -> dict[Secret, str]:
    """The values of all secrets; raises ParameterError for what is not there."""
    values: dict[Secret, str] = {}
    for where, secret in journey.secrets():
        if secret.file:
            values[secret] = secret_in(secret.file)
        elif given.get(secret.parameter):
            values[secret] = given[secret.parameter]
        else:
            raise ParameterError(
                f"journey {journey.path}: {where}: the agent has no secret {secret.parameter!r}"
            )
    return values


def filled(text: str, saved: Mapping[str, str]) -> str:
    """The text with what was saved by earlier steps in place of its {name}."""
    return _PLACEHOLDER.sub(lambda found: saved[found[1]], text)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is probably nobody's business."""
    return _SECRET_NAME.search(name) is not None


def _contents(path: str, what: str, largest: int) -> tuple[str, int]:
    """Text and mode of a file, which is opened once so that both are of the same one."""
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO would wait
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "no path has a NUL"
        raise ParameterError(f"{what} {path}: {said}") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ParameterError(f"{what} {path}: it is no file")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise ParameterError(f"{what} {path}: {told(error)}") from None
    finally:
        os.close(descriptor)
    if len(data) > largest:
        raise ParameterError(f"{what} {path}: it is longer than {largest} bytes")
    try:
        return data.decode("utf-8"), mode
    except UnicodeDecodeError:
        raise ParameterError(f"{what} {path}: it is no text in UTF-8") from None


# --- the whole file -------------------------------------------------------------------------------


def _read(path: str, written: Table, *, is_public: bool) -> tuple[Journey | None, list[str]]:
    """The journey, where nothing of it is missing, and all mistakes."""
    mistakes: list[str] = []
    tables = written.pop("step", None)
    top = _values(written, JOURNEY_KEYS, "", mistakes)
    base: str = top.get("base", "")
    if "connect" in top and not base:
        mistakes.append("connect: there is no base, whose host it could be")
    steps = _steps(tables, base, mistakes)
    if is_public:
        mistakes += _plain_secrets(path, steps)
    if mistakes:
        return None, mistakes
    top["hosts"] = _hosts(base, top.get("hosts", ()), steps)
    return Journey(path=path, steps=tuple(steps), is_public=is_public, **top), mistakes


def _steps(tables: object, base: str, mistakes: list[str]) -> list[Step]:
    """All that can be read of the steps."""
    if not is_list(tables) or not tables:
        mistakes.append("expected at least one [[step]]")
        return []
    steps: list[Step] = []
    saved: set[str] = set()
    for number, table in enumerate(tables, start=1):
        if not is_table(table):
            mistakes.append(f"step {number}: expected a table, as [[step]] begins one")
            continue
        step = _step(number, table, mistakes)
        if step is not None:
            mistakes += _faults_of_step(step, base=base, saved=saved)
            saved |= set(step.save)
            steps.append(step)
    return steps


def _values(written: Table, keys: Mapping[str, Key], where: str, mistakes: list[str]) -> Values:
    """What the keys of a table say; what is wrong is left out and told."""
    found: Values = {}
    for name, value in written.items():
        key = keys.get(name)
        if key is None:
            mistakes.append(f"{where}there is no key {name[:40]!r}: expected {', '.join(keys)}")
            continue
        try:
            found[name] = key.read(value)
        except _WrongError as error:
            mistakes.append(f"{where}{name}: {error.args[0] or f'expected {key.expected}'}")
    return found


def _step(number: int, table: Table, mistakes: list[str]) -> Step | None:
    """One step; None where it is not even told what it does."""
    name = table.get("name")
    name = name.strip() if isinstance(name, str) and name.isprintable() else ""
    where = f"step {number} ({name}): " if name else f"step {number}: "
    found = _values(table, STEP_KEYS, where, mistakes)
    actions: list[Action] = [each for each in _ACTIONS if each in table]
    if len(actions) != 1:
        seen = " and ".join(actions) or "none"
        mistakes.append(f"{where}expected one of {', '.join(_ACTIONS)}, seen {seen}")
        return None
    action = actions[0]
    if action not in found:
        return None
    found.pop("name", None)
    return Step(number, name, action, found.pop(action), **found)


def _faults_of_step(step: Step, *, base: str, saved: set[str]) -> Iterator[str]:
    """What does not fit together in a step, or to the steps before it."""
    if step.number == 1 and step.action in ("submit", "follow"):
        yield f"{step.title}: {step.action}: there is no page before the first step"
    if step.fields and step.action != "submit":
        yield f"{step.title}: fields: only a form that is submitted has them; post takes form"
    for key, value in (("form", step.form), ("json", step.json)):
        if value is not None and step.action != "post":
            yield f"{step.title}: {key}: only post sends it"
    if step.form is not None and step.json is not None:
        yield f"{step.title}: json: it cannot be sent together with form"
    if step.action in ("get", "post") and str(step.target).startswith("/") and not base:
        yield f"{step.title}: {step.action}: it begins with / and there is no base"
    unknown = dict.fromkeys(name for name in _placeholders(step) if name not in saved)
    for name in unknown:
        yield f"{step.title}: no step before it saves {{{name}}}"


def _placeholders(step: Step) -> Iterator[str]:
    """Names in braces, wherever they are filled in."""
    address = step.target if step.action in ("get", "post") else ""
    sent = [address, step.fields, step.form, step.json, step.headers]
    for text in _strings_in([*sent, *step.text, *step.not_text]):
        yield from _PLACEHOLDER.findall(text)


def _strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_table(value):
        for each in value.values():
            yield from _strings_in(each)
    elif is_list(value):
        for each in value:
            yield from _strings_in(each)


def _secrets_in(value: object, where: str) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield where, value
    elif is_table(value):
        for name, each in value.items():
            yield from _secrets_in(each, f"{where}.{name}")
    elif is_list(value):
        for each in value:
            yield from _secrets_in(each, where)


def _plain_secrets(path: str, steps: list[Step]) -> Iterator[str]:
    """Passwords that stand in a file that everybody may read."""
    for step in steps:
        tables = {"fields": step.fields, "form": step.form, "json": step.json}
        for key, value in {**tables, "headers": step.headers}.items():
            for where in _plain_in(value, f"{step.title}: {key}"):
                yield f"{where}: it stands here, and everybody may read the file: chmod o= {path}"


def _plain_in(value: object, where: str) -> Iterator[str]:
    if is_table(value):
        for name, each in value.items():
            if is_secret_name(name) and isinstance(each, str) and not _PLACEHOLDER.search(each):
                yield f"{where}.{name}"
            yield from _plain_in(each, f"{where}.{name}")
    elif is_list(value):
        for each in value:
            yield from _plain_in(each, where)


def _hosts(base: str, named: Sequence[str], steps: list[Step]) -> frozenset[str]:
    """Hosts that the file names anywhere."""
    addresses = [base, *(str(each.target) for each in steps if each.action in ("get", "post"))]
    hosts = [urlsplit(each).hostname for each in addresses if "://" in each]
    return frozenset(each for each in (*hosts, *named) if each)


# --- single values --------------------------------------------------------------------------------


def is_table(value: object) -> TypeGuard[Table]:
    """Whether TOML made it of a table."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether TOML made it of a list."""
    return isinstance(value, list)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _text(value: object) -> str:
    if not _is_text(value):
        raise _WrongError("")
    return str(value).strip()


def _texts(value: object) -> tuple[str, ...]:
    texts = value if is_list(value) else [value]
    if not texts or not all(isinstance(each, str) and each.strip() for each in texts):
        raise _WrongError("")
    return tuple(str(each) for each in texts)


def _patterns(value: object) -> tuple[str, ...]:
    return tuple(_pattern(each) for each in _texts(value))


def _pattern(text: str) -> str:
    try:
        patterns.require(text)
    except ActionError as error:
        raise _WrongError(str(error)) from None
    return text


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongError("")
    return value


def _base(value: object) -> str:
    address = _absolute(_text(value))
    split = urlsplit(address)
    if split.path not in ("", "/") or split.query or split.fragment:
        raise _WrongError("expected an address without a path, which each step has")
    return address.rstrip("/")


def _address(value: object) -> str:
    address = _text(value)
    if " " in address:
        raise _WrongError("expected an address without blanks: %20 is one")
    return address if address.startswith("/") else _absolute(address)


def _absolute(address: str) -> str:
    """An address that is sure to be no other program's business; raises _WrongError."""
    try:
        split = urlsplit(address)
        port = split.port
        host = split.hostname
    except ValueError as error:
        raise _WrongError(f"it is no address: {error}") from None
    if "@" in split.netloc:
        raise _WrongError("a password has no place in an address: send it by headers")
    if split.scheme not in ("http", "https") or not host or port == 0:
        raise _WrongError("")
    if "{" in split.netloc:
        raise _WrongError("what was saved has no place in the name of a host")
    return address


def _hosts_named(value: object) -> tuple[str, ...]:
    return tuple(_host_named(each).lower() for each in _texts(value))


def _host_named(text: str) -> str:
    return text if _HOST_NAME.fullmatch(text) else _ip_address(text)


def _ip_address(value: object) -> str:
    import socket

    address = _text(value).strip("[]")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return address
    raise _WrongError("")


def _ca_file(value: object) -> str:
    path = _text(value)
    if not os.path.isabs(path):
        raise _WrongError("")
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise _WrongError(f"there is no file {path} that can be read")
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise _WrongError(f"there is no certificate in {path}") from None
    return path


def _form_named(value: object) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    return _text(value)


def _status(value: object) -> tuple[int, ...]:
    codes = value if is_list(value) else [value]
    found = [each for each in codes if isinstance(each, int) and not isinstance(each, bool)]
    if not codes or len(found) != len(codes) or not all(100 <= each <= 599 for each in found):
        raise _WrongError("")
    return tuple(found)


def _timeout(value: object) -> float:
    try:
        seconds = durations.seconds(str(value)) if isinstance(value, (int, float, str)) else 0.0
    except ValueError:
        seconds = 0.0
    if seconds <= 0 or isinstance(value, bool):
        raise _WrongError("")
    return seconds


def _inputs(value: object) -> dict[str, Input]:
    if not is_table(value):
        raise _WrongError("")
    return {name: _input(name, each) for name, each in value.items()}


def _input(name: str, value: object) -> Input:
    """What is written into a field: never shown, as it may be a password."""
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    if is_table(value):
        secret = _secret(name, value)
        if secret is not None:
            return secret
    raise _WrongError(
        f"{name}: expected a text, a number, true, false, or {_ELSEWHERE}, "
        f"seen a {type(value).__name__}"
    )


_ELSEWHERE = '{ secret_file = "/PATH" } or { secret_parameter = "NAME" }'


def _secret(name: str, table: Table) -> Secret | None:
    """The secret that a table names; None for one that is something else."""
    if len(table) != 1:
        return None
    (key, value), *_ = table.items()
    if key == "secret_file":
        if not _is_text(value) or not os.path.isabs(str(value)):
            raise _WrongError(f"{name}: secret_file: expected an absolute path")
        return Secret(file=str(value))
    if key == "secret_parameter":
        if not _is_text(value):
            raise _WrongError(f"{name}: secret_parameter: expected a name")
        return Secret(parameter=str(value))
    return None


def _headers(value: object) -> dict[str, Input]:
    headers = _inputs(value)
    for name, each in headers.items():
        if not _HEADER_NAME.fullmatch(name) or isinstance(each, bool):
            raise _WrongError(f"{name[:40]!r} is no header with a text")
        if isinstance(each, str) and not (each.isprintable() and each.isascii()):
            raise _WrongError(f"{name}: a header is one line of ASCII")
    return headers


def _regexes(value: object) -> dict[str, str]:
    if not is_table(value):
        raise _WrongError("")
    found: dict[str, str] = {}
    for name, each in value.items():
        if not isinstance(each, str):
            raise _WrongError(f"{name}: expected a regular expression")
        found[name] = _pattern(each)
    return found


def _saves(value: object) -> dict[str, str]:
    found = _regexes(value)
    for name, each in found.items():
        if not _SAVED_NAME.fullmatch(name):
            raise _WrongError(f"{name[:40]!r} is no name of small letters, digits and _")
        if re.compile(each).groups != 1:
            raise _WrongError(f"{name}: expected one group, in parentheses, that is saved")
    return found


def _body(value: object) -> object:
    return _json("json", value)


def _json(name: str, value: object) -> object:
    """What JSON can say, with secrets in place of their tables."""
    if is_table(value):
        return _secret(name, value) or {key: _json(key, each) for key, each in value.items()}
    if is_list(value):
        return [_json(name, each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):  # noqa: PLR0124
        raise _WrongError(f"{name}: JSON has no such number")
    if isinstance(value, (str, bool, int, float)):
        return value
    raise _WrongError(f"{name}: JSON has no dates and times: write it as a text")


_ACTIONS: tuple[Action, ...] = ("get", "post", "submit", "follow")

_ADDRESS = "an address as /login or https://shop.example/login"
_TEXTS = "a text or a list of texts"
_PATTERNS = "a regular expression or a list of them"

JOURNEY_KEYS: dict[str, Key] = {
    "base": Key(
        _base,
        "an address as https://shop.example",
        "What addresses that begin with `/` lead to",
    ),
    "connect": Key(
        _ip_address,
        "an IP address",
        "Where the host of `base` is, whatever the name service says: `127.0.0.1` asks this node",
    ),
    "hosts": Key(
        _hosts_named,
        "a list of host names",
        "Other hosts that links, forms and redirects may lead to; `base` and the addresses of "
        "steps are allowed anyway",
    ),
    "ca_file": Key(
        _ca_file,
        "the absolute path of a file with certificates",
        "Certificates of who is trusted; without it those that the system trusts",
    ),
    "verify": Key(_truth, "true or false", "Whether certificates are looked at; `true` without it"),
}
"""Words at the top of the file, beside [[step]]."""

STEP_KEYS: dict[str, Key] = {
    "name": Key(_text, "a text of one line", "What the step is called in a reason"),
    "get": Key(_address, _ADDRESS, "Open a page"),
    "follow": Key(
        _text,
        "the text of a link",
        "Open what a link of the page before leads to: the first link of that text, or else the "
        "first that has the text in it",
    ),
    "submit": Key(
        _form_named,
        "the id or the name of a form, or its number from 1",
        "Send a form of the page before, with all its hidden fields",
    ),
    "post": Key(_address, _ADDRESS, "Send `form` or `json`, or nothing, without a form on a page"),
    "fields": Key(
        _inputs,
        "a table of fields and what is written into them",
        "What is written into the form; `true` and `false` tick and untick a box; the name and "
        "value of a button presses it instead of the first",
    ),
    "form": Key(_inputs, "a table of names and values", "What `post` sends, as a form does"),
    "json": Key(_body, "a value that JSON has", "What `post` sends, as JSON"),
    "headers": Key(
        _headers,
        "a table of headers and their texts",
        "Headers of the request; they are not sent on to another host",
    ),
    "status": Key(
        _status,
        "a number from 100 to 599 or a list of them",
        "Which status is right; without it any from 200 to 299. With one from 300 to 399, the "
        "redirect is not followed, and is itself what is looked at",
    ),
    "text": Key(_texts, _TEXTS, "What is on the page or in its source, each of them"),
    "not_text": Key(_texts, _TEXTS, "What is in neither, none of them"),
    "match": Key(_patterns, _PATTERNS, "What matches somewhere in the source, each of them"),
    "not_match": Key(_patterns, _PATTERNS, "What matches nowhere in the source, none of them"),
    "header_match": Key(
        _regexes,
        "a table of headers and regular expressions",
        "What matches somewhere in a header of the answer",
    ),
    "save": Key(
        _saves,
        "a table of names and regular expressions with one group",
        "What a later step writes as `{name}`: what the group matches in the source",
    ),
    "timeout": Key(
        _timeout,
        "a duration such as 20s or 500ms",
        "How long the step may take, its redirects included; without it what is left of the "
        "action's time",
    ),
}
"""Words of a [[step]]."""
