"""Parameters: declared once, and thereby advertised, read, checked, defaulted and documented.

A declaration is a class attribute of an agent. Seen from an instance it is the value, with its
type; seen from the class it is the declaration. Names and words are OCF's, and say in the
meta-data of version 1.1 what they say there.

    port = param.port("TCP port to listen on.", default=8080, unique="address")
    config = param.path("Configuration file.", exists="file", required=True)

Either a `default` is given, which may be None, or `required=True`. An empty value in the cluster's
configuration counts as not set.
"""

from __future__ import annotations

import sys

from ocfkit.errors import ConfigurationError
from ocfkit.kinds import (
    Boolean,
    Duration,
    Enum,
    Executable,
    Host,
    Integer,
    Kind,
    Path,
    Secret,
    Text,
    is_text,
    is_xml,
    shown,
    words_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack, overload

    T = TypeVar("T")
    Words = TypeVar("Words", str, None)
    Whole = TypeVar("Whole", int, None)
    Truth = TypeVar("Truth", bool, None)

    class Of(Generic[T]):
        """Has a type for the checkers, and costs nothing."""

    class Options(TypedDict, total=False):
        """What every parameter can say of itself."""

        name: str
        """In the cluster, where it is not the attribute's (it is a word of Python, say)."""
        unique: str
        """Name of a group: no two resources may have the same values in all of its parameters."""
        reloadable: bool
        """A change needs the action reload-agent alone, and no restart."""
        deprecated: str
        """Why it should no longer be used; it still works, and a log line says so."""
        replaced_by: str | Sequence[str]
        """The parameters to use instead of a deprecated one."""

else:
    Words = Whole = Truth = T = None

    class Of:  # noqa: D101 - see above
        def __class_getitem__(cls, _item):  # noqa: ANN001, ANN204
            return cls


class _Missing:
    """There is no default; None could be one."""

    def __repr__(self) -> str:
        return "no default"


MISSING = _Missing()


class AnyParam:
    """A parameter of whatever type; what is not the same for all of them is its `kind`."""

    def __init__(
        self,
        kind: Kind,
        desc: str,
        default: object,
        *,
        required: bool,
        name: str = "",
        unique: str = "",
        reloadable: bool = False,
        deprecated: str = "",
        replaced_by: str | Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.desc = desc
        self.default = default
        self.required = required
        self.name = name
        """Its name in the cluster."""
        self.attribute = ""
        """Its name in the class."""
        self.unique = unique
        self.reloadable = reloadable
        self.deprecated = deprecated
        self.replaced_by = (replaced_by,) if isinstance(replaced_by, str) else words_of(replaced_by)
        self._replaced_by = replaced_by

    def __set_name__(self, owner: type, attribute: str) -> None:
        """Learn its name, the first one where there are several; see `mistakes`."""
        self.attribute = self.attribute or attribute
        self.name = self.name or attribute

    def default_text(self) -> str | None:
        """The default as meta-data shows it; None when there is none."""
        if self.default is None or self.default is MISSING:
            return None
        return self.kind.write(self.default)

    def value(self, parameters: dict[str, str]) -> object:
        """The typed value of what the cluster passes; raises ConfigurationError."""
        text = parameters.get(self.name)
        if text is None:
            if self.required:
                raise ConfigurationError(f"parameter {self.name} is required and not set")
            default = None if self.default is MISSING else self.default
            return None if default is None else self.kind.normal(default)
        try:
            return self.kind.read(text)
        except ValueError:
            seen = "something else" if self.kind.secret else repr(text[:100])
            raise ConfigurationError(
                f"parameter {self.name}: expected {self.kind.expected()}, seen {seen}"
            ) from None

    def faults(self) -> list[str]:
        """What is wrong with the declaration, a sentence each."""
        found = [*self._faults_of_words(), *self._faults_of_options()]
        wrong = self.kind.faults()
        return [*found, *(wrong or self._faults_of_default())]

    def _faults_of_words(self) -> Iterator[str]:
        words = [("desc", self.desc), ("name", self.name)]
        words += [("unique", self.unique), ("deprecated", self.deprecated)]
        words += [("replaced_by", each) for each in self.replaced_by]
        words += [("choices", each) for each in self.kind.choices if is_text(each)]
        for option, word in words:
            if not is_text(word):
                yield f"{option}={shown(word)} is no text"
            elif not is_xml(word):
                yield f"its {option} holds a control character"
            elif option == "name" and not (word.isascii() and word.isidentifier()):
                yield f"{shown(word)} cannot be the name of a parameter: letters, digits and _"
            elif word.isspace() or (option == "desc" and not word):
                yield "it has no description" if option == "desc" else f"its {option} is blank"

    def _faults_of_options(self) -> Iterator[str]:
        for option in ("required", "reloadable"):
            if not _is_truth(getattr(self, option)):
                yield f"{option}={shown(getattr(self, option))} is neither True nor False"
        if self.required and self.default is not MISSING:
            yield "it is required and has a default, which would never be used"
        if not self.required and self.default is MISSING:
            yield "say default=… (None is one) or required=True"
        if self._replaced_by and not self.replaced_by:
            yield f"replaced_by={shown(self._replaced_by)} is no sequence of names"
        if self.replaced_by and not self.deprecated:
            yield "only a deprecated parameter is replaced by others"
        if self.name in self.replaced_by:
            yield "it is replaced by itself"

    def _faults_of_default(self) -> list[str]:
        if self.default is None or self.default is MISSING:
            return []
        if self.kind.secret:
            return ["a secret has no default: everybody could read it"]
        try:
            text = self.kind.write(self.default)
            if not (self.kind.costly and sys.flags.no_site):
                self.kind.read(text)
        except ValueError:
            return [f"its default {shown(self.default)} is not {self.kind.expected()}"]
        return [] if is_xml(text) else ["its default holds a control character"]


class Param(AnyParam, Of[T]):
    """A parameter whose value has a type."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Param[T]: ...
        @overload
        def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: Any, owner: type) -> Param[T] | T:
        """The value, of an agent; raises ConfigurationError where it is missing or ill-typed."""
        if instance is None:
            return self
        value: T = instance.values[self.attribute]
        if isinstance(value, ConfigurationError):
            raise value
        return value

    def __set__(self, instance: object, value: T) -> None:
        """Refuse: the cluster sets parameters."""
        raise AttributeError(f"parameter {self.name} is set by the cluster, not by the agent")


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


# --- one function a type --------------------------------------------------------------------------


if TYPE_CHECKING:

    @overload
    def string(
        desc: str,
        *,
        required: Literal[True],
        pattern: str | None = None,
        **options: Unpack[Options],
    ) -> Param[str]: ...
    @overload
    def string(
        desc: str, *, default: Words, pattern: str | None = None, **options: Unpack[Options]
    ) -> Param[str | Words]: ...


def string(
    desc: str,
    *,
    default: Any = MISSING,
    required: bool = False,
    pattern: str | None = None,
    **options: Unpack[Options],
) -> Param[Any]:
    """A text; `pattern` is a regular expression that has to match the whole of it."""
    return Param(Text(pattern), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def secret(desc: str, *, required: Literal[True], **options: Unpack[Options]) -> Param[str]: ...
    @overload
    def secret(desc: str, *, default: None, **options: Unpack[Options]) -> Param[str | None]: ...


def secret(
    desc: str,
    *,
    default: _Missing | None = MISSING,
    required: bool = False,
    **options: Unpack[Options],
) -> Param[Any]:
    """A text that never appears in a log, a reason, a traceback or the arguments of a command."""
    return Param(Secret(), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def integer(
        desc: str,
        *,
        required: Literal[True],
        minimum: int | None = None,
        maximum: int | None = None,
        **options: Unpack[Options],
    ) -> Param[int]: ...
    @overload
    def integer(
        desc: str,
        *,
        default: Whole,
        minimum: int | None = None,
        maximum: int | None = None,
        **options: Unpack[Options],
    ) -> Param[int | Whole]: ...


def integer(
    desc: str,
    *,
    default: Any = MISSING,
    required: bool = False,
    minimum: int | None = None,
    maximum: int | None = None,
    **options: Unpack[Options],
) -> Param[Any]:
    """A whole number; both bounds are allowed values."""
    return Param(Integer(minimum, maximum), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def port(desc: str, *, required: Literal[True], **options: Unpack[Options]) -> Param[int]: ...
    @overload
    def port(desc: str, *, default: Whole, **options: Unpack[Options]) -> Param[int | Whole]: ...


def port(
    desc: str, *, default: Any = MISSING, required: bool = False, **options: Unpack[Options]
) -> Param[Any]:
    """A port of TCP or UDP, from 1 to 65535."""
    return Param(Integer(1, 65535), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def boolean(
        desc: str, *, required: Literal[True], **options: Unpack[Options]
    ) -> Param[bool]: ...
    @overload
    def boolean(
        desc: str, *, default: Truth, **options: Unpack[Options]
    ) -> Param[bool | Truth]: ...


def boolean(
    desc: str, *, default: Any = MISSING, required: bool = False, **options: Unpack[Options]
) -> Param[Any]:
    """Yes or no: true, yes, on, 1 and false, no, off, 0, in either case."""
    return Param(Boolean(), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def duration(
        desc: str,
        *,
        required: Literal[True],
        minimum: float | None = None,
        maximum: float | None = None,
        **options: Unpack[Options],
    ) -> Param[float]: ...
    @overload
    def duration(
        desc: str,
        *,
        default: str | float,
        minimum: float | None = None,
        maximum: float | None = None,
        **options: Unpack[Options],
    ) -> Param[float]: ...
    @overload
    def duration(
        desc: str,
        *,
        default: None,
        minimum: float | None = None,
        maximum: float | None = None,
        **options: Unpack[Options],
    ) -> Param[float | None]: ...


def duration(
    desc: str,
    *,
    default: Any = MISSING,
    required: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    **options: Unpack[Options],
) -> Param[Any]:
    """A time such as 20s, 500ms or 5min, in seconds for the agent; the bounds too."""
    return Param(Duration(minimum, maximum), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def path(
        desc: str,
        *,
        required: Literal[True],
        exists: Literal["file", "folder", "any"] | None = None,
        **options: Unpack[Options],
    ) -> Param[str]: ...
    @overload
    def path(
        desc: str,
        *,
        default: Words,
        exists: Literal["file", "folder", "any"] | None = None,
        **options: Unpack[Options],
    ) -> Param[str | Words]: ...


def path(
    desc: str,
    *,
    default: Any = MISSING,
    required: bool = False,
    exists: Literal["file", "folder", "any"] | None = None,
    **options: Unpack[Options],
) -> Param[Any]:
    """An absolute path. With `exists`, the service cannot run on a node where it is missing."""
    return Param(Path(exists), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def executable(
        desc: str, *, required: Literal[True], **options: Unpack[Options]
    ) -> Param[str]: ...
    @overload
    def executable(
        desc: str, *, default: Words, **options: Unpack[Options]
    ) -> Param[str | Words]: ...


def executable(
    desc: str, *, default: Any = MISSING, required: bool = False, **options: Unpack[Options]
) -> Param[Any]:
    """A program, by path or name. The service cannot run on a node where it is missing."""
    return Param(Executable(), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def host(desc: str, *, required: Literal[True], **options: Unpack[Options]) -> Param[str]: ...
    @overload
    def host(desc: str, *, default: Words, **options: Unpack[Options]) -> Param[str | Words]: ...


def host(
    desc: str, *, default: Any = MISSING, required: bool = False, **options: Unpack[Options]
) -> Param[Any]:
    """A host by name or address; it is not looked up."""
    return Param(Host(), desc, default, required=required, **options)


if TYPE_CHECKING:

    @overload
    def enum(
        desc: str, *, choices: Sequence[str], required: Literal[True], **options: Unpack[Options]
    ) -> Param[str]: ...
    @overload
    def enum(
        desc: str, *, choices: Sequence[str], default: Words, **options: Unpack[Options]
    ) -> Param[str | Words]: ...


def enum(
    desc: str,
    *,
    choices: Sequence[str],
    default: Any = MISSING,
    required: bool = False,
    **options: Unpack[Options],
) -> Param[Any]:
    """One word of several; meta-data of version 1.1 lists them."""
    return Param(Enum(choices), desc, default, required=required, **options)
