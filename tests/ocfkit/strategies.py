"""Random declarations for Hypothesis: agents as classes made with type(), and what they declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import strategies as st

from ocfkit import Agent, action, monitor, param
from ocfkit.actions import METHODS
from ocfkit.environment import NOT_OURS
from ocfkit.metadata import PROFILES

TAKEN: Final = {
    *dir(Agent),
    *METHODS.values(),
    *NOT_OURS,
    *("name", "environment", "log", "deadline", "doing", "values", "declaration"),
    *("validate_all", "meta_data"),
}
"""Names that no parameter or check can have."""

ROLES: Final = ("Promoted", "Unpromoted")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as an author writes it, and what its meta-data has to say."""

    kind: str
    """Name of the function of ocfkit.param that declares it."""
    desc: str
    options: Mapping[str, Any]
    content_type: str = "string"
    default: str | float | None = None
    """The text that is advertised; the seconds, of a duration."""
    choices: Sequence[str] = ()

    def declare(self) -> Any:  # noqa: ANN401 - a parameter of whatever type
        return getattr(param, self.kind)(self.desc, **self.options)

    def option(self, name: str) -> Any:  # noqa: ANN401
        return self.options.get(name, "")

    def replacements(self) -> list[str]:
        """The names that are advertised instead of it."""
        by: str | list[str] = self.options.get("replaced_by", [])
        return [by] if isinstance(by, str) else by


@dataclass(frozen=True, slots=True)
class Deep:
    """A deep check; timings in milliseconds."""

    level: int
    role: str | None
    timeout: int
    interval: int


@dataclass(frozen=True, slots=True)
class Declared:
    """A class as an author writes it; timings in milliseconds."""

    doc: str
    version: str
    lang: str
    parameters: Mapping[str, Parameter]
    """Attribute → parameter."""
    timeouts: Mapping[str, int]
    """OCF's name of an implemented action → its timeout."""
    interval: int
    promoted_interval: int | None
    checks: Mapping[str, Deep] = field(default_factory=dict[str, Deep])

    def cls(self) -> type[Agent]:
        """Make the class anew."""
        namespace: dict[str, Any] = {
            "__doc__": self.doc,
            "__module__": __name__,
            "version": self.version,
            "lang": self.lang,
        }
        for attribute, parameter in self.parameters.items():
            namespace[attribute] = parameter.declare()
        for name, timeout in self.timeouts.items():
            timing: dict[str, Any] = {"timeout": f"{timeout}ms"}
            if name == "monitor":
                timing["interval"] = f"{self.interval}ms"
                if self.promoted_interval is not None:
                    timing["promoted_interval"] = self.promoted_interval / 1000
            namespace[METHODS[name]] = action(**timing)(method(name))
        for attribute, check in self.checks.items():
            mark = monitor.depth(
                check.level,
                timeout=f"{check.timeout}ms",
                interval=check.interval / 1000,
                role=check.role,  # type: ignore[arg-type]  # one of ROLES
            )
            namespace[attribute] = mark(nothing)
        return type("Generated", (Agent,), namespace)


def method(name: str) -> Callable[..., Any]:
    """A method that does nothing, with as many arguments as the action has."""
    return hear if name == "notify" else nothing


def hear(_self: object, _notice: object) -> None: ...


def nothing(_self: object) -> None: ...


# --- texts ------------------------------------------------------------------------------------


def texts(**size: int) -> st.SearchStrategy[str]:
    """Texts that XML can hold, mostly with what it has to escape."""
    characters = st.characters(
        codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
    )
    return st.text(st.sampled_from("<&\"'>\n\t\r ]é日本語😀") | characters, **size)


def sentences() -> st.SearchStrategy[str]:
    """Texts in which there is something to read."""
    return texts(min_size=1).filter(lambda text: not text.isspace())


def lines(first: str, others: list[tuple[int, str]]) -> str:
    return "\n".join([first, *(indent * " " + text for indent, text in others)])


docs = st.builds(lines, sentences(), st.lists(st.tuples(st.integers(0, 8), texts())))
"""Docstrings, indented this way and that."""

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in TAKEN and not name.startswith("__")
)

languages = st.sampled_from(["en", "de", "ja", "pt-BR", "zh-Hant-TW"])

milliseconds = st.integers(1, 7_200_000)


# --- parameters -------------------------------------------------------------------------------


@st.composite
def values(draw: st.DrawFn) -> Parameter:
    """A parameter of any kind with a default, or without."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    made = draw(KINDS[kind])
    how = draw(st.sampled_from(["default", "none", "required"]))
    options = {key: value for key, value in made.options.items() if key != "default"}
    if how == "required":
        return replace(made, options={**options, "required": True}, default=None)
    if how == "none" or kind == "secret":
        return replace(made, options={**options, "default": None}, default=None)
    return made


def simple(
    kind: str, default: st.SearchStrategy[str], content_type: str = "string", **options: object
) -> st.SearchStrategy[Parameter]:
    def with_default(text: str) -> Parameter:
        return Parameter(kind, "", {**options, "default": text}, content_type, text)

    return st.builds(with_default, default)


def bounded(whole: int, below: int, above: int, *, which: int) -> Parameter:
    """An integer with none, one or both of its bounds."""
    bounds = {"minimum": whole - below, "maximum": whole + above}
    kept = {key: value for place, (key, value) in enumerate(bounds.items()) if which >> place & 1}
    return Parameter("integer", "", {**kept, "default": whole}, "integer", str(whole))


def listening(port: int) -> Parameter:
    return Parameter("port", "", {"default": port}, "integer", str(port))


def decided(truth: bool) -> Parameter:  # noqa: FBT001 - Hypothesis passes it so
    return Parameter("boolean", "", {"default": truth}, "boolean", str(truth).lower())


def timed(microseconds: int, *, as_text: bool) -> Parameter:
    seconds = microseconds / 1_000_000
    default = f"{microseconds}us" if as_text else seconds
    return Parameter("duration", "", {"default": default, "minimum": 0.0}, "string", seconds)


def chosen(choices: list[str], place: int) -> Parameter:
    word = choices[place % len(choices)]
    return Parameter("enum", "", {"choices": choices, "default": word}, "string", word, choices)


paths = texts().map(lambda text: f"/{text}")
small = st.integers(0, 10**6)

KINDS: Final[Mapping[str, st.SearchStrategy[Parameter]]] = {
    "string": simple("string", texts()) | simple("string", st.just("abc"), pattern="[a-z]*"),
    "secret": st.just(Parameter("secret", "", {})),
    "integer": st.builds(
        bounded, st.integers(-(10**17), 10**17), small, small, which=st.integers(0, 3)
    ),
    "port": st.builds(listening, st.integers(1, 65535)),
    "boolean": st.builds(decided, st.booleans()),
    "duration": st.builds(timed, st.integers(0, 10**13), as_text=st.booleans()),
    "path": simple("path", paths) | simple("path", paths, exists="any"),
    "executable": simple("executable", st.from_regex(r"(/[a-z]+/)?[a-z ]*[a-z]", fullmatch=True)),
    "host": simple("host", st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9})?", fullmatch=True))
    | simple("host", st.ip_addresses().map(str)),
    "enum": st.builds(chosen, st.lists(sentences(), min_size=1, unique=True), small),
}
"""Name of the function → parameters with a default; the rest is added by `parameters`."""

NEW_IN_1_1: Final = {"enum"}


@st.composite
def parameters(draw: st.DrawFn, *, plain: bool, reloads: bool) -> dict[str, Parameter]:
    """Attribute → parameter; a `plain` one has nothing that is new in OCF 1.1."""
    attributes = draw(st.lists(names, unique=True, max_size=5))
    called = draw(st.lists(names, unique=True, min_size=len(attributes), max_size=len(attributes)))
    renamed = draw(st.booleans())
    words = called if renamed else attributes
    found: dict[str, Parameter] = {}
    for attribute, name in zip(attributes, words, strict=True):
        made = draw(values().filter(lambda made: not plain or made.kind not in NEW_IN_1_1))
        options = dict(made.options)
        if renamed:
            options["name"] = name
        if not plain:
            options |= draw(beyond_1_0([word for word in words if word != name], reloads=reloads))
        found[attribute] = replace(made, desc=draw(sentences()), options=options)
    return found


@st.composite
def beyond_1_0(draw: st.DrawFn, others: list[str], *, reloads: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if draw(st.booleans()):
        options["unique"] = draw(st.sampled_from(["address", "日本 <&>"]) | sentences())
    if reloads:
        options["reloadable"] = draw(st.booleans())
    if draw(st.booleans()):
        options["deprecated"] = draw(sentences())
        replaced, by_several = draw(st.booleans()), draw(st.booleans())
        if others and replaced:
            by = draw(st.lists(st.sampled_from(others), unique=True, min_size=1))
            options["replaced_by"] = by if by_several else by[0]
    return options


profiles = st.sampled_from(PROFILES)

# --- classes ----------------------------------------------------------------------------------


@st.composite
def declarations(draw: st.DrawFn, *, plain: bool = False) -> Declared:
    """Any declaration without a mistake; a `plain` one has nothing that is new in OCF 1.1."""
    implemented = {"start", "stop", "monitor"}
    optional = [["notify"], ["reload"], ["promote", "demote"], ["migrate_to", "migrate_from"]]
    optional += [] if plain else [["reload-agent"]]
    for group in optional:
        if draw(st.booleans()):
            implemented |= set(group)
    promotable = "promote" in implemented
    intervals = iter(draw(distinct_intervals))
    places = draw(st.lists(st.sampled_from(PLACES if promotable else PLACES_OF_ONE), unique=True))
    checks = {
        f"fact_{number}_holds": Deep(level, role, draw(milliseconds), next(intervals))
        for number, (level, role) in enumerate(places)
    }
    return Declared(
        doc=draw(docs),
        version=draw(texts()),
        lang=draw(languages),
        parameters=draw(parameters(plain=plain, reloads="reload-agent" in implemented)),
        timeouts={name: draw(milliseconds) for name in METHODS if name in implemented},
        interval=next(intervals),
        promoted_interval=next(intervals) if promotable else None,
        checks=checks,
    )


PLACES: Final[list[tuple[int, str | None]]] = [
    (level, role) for level in (1, 10, 20, 30) for role in (None, *ROLES)
]
PLACES_OF_ONE: Final = [place for place in PLACES if place[1] is None]

distinct_intervals = st.lists(
    milliseconds, unique=True, min_size=len(PLACES) + 2, max_size=len(PLACES) + 2
)
