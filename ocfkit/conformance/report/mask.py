"""Text without secrets: whatever an agent says of them, and however it cuts or quotes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from ocfkit.conformance.canaries import SHORTEST, is_secret
from ocfkit.conformance.transcript import Transcript

MASK = "***"

_PARAMETER = "OCF_RESKEY_"

Value = TypeVar("Value")


class Mask:
    """Covers every secret of a transcript, by its value and by its name."""

    def __init__(self, run: Transcript) -> None:
        """Secrets are the canaries, and what any call was given by a secret's name."""
        self._hidden = run.hidden
        values = {*run.secrets.values(), *self._secret_values(run.parameters)}
        for call in run.calls:
            values.update(self._secret_values(call.parameters))
        words = {word for value in values for word in _words(value) if len(word) >= SHORTEST}
        longest_first = sorted(words, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, value: Value) -> Value:
        """The same text, list or mapping, without secrets."""
        return cast("Value", self._covered(value))

    def _covered(self, value: object) -> object:
        match value:
            case str():
                return self._any.sub(MASK, value)
            case dict():
                fields = cast("dict[str, object]", value)
                return {self(name): self._field(name, field) for name, field in fields.items()}
            case list():
                return [self._covered(item) for item in cast("list[object]", value)]
            case _:
                return value

    def _field(self, name: str, value: object) -> object:
        """A parameter or a variable of this name may be a secret too short to be found."""
        if isinstance(value, str) and value and self._is_secret(name.removeprefix(_PARAMETER)):
            return MASK
        return self._covered(value)

    def _is_secret(self, name: str) -> bool:
        return name in self._hidden or is_secret(name)

    def _secret_values(self, parameters: Mapping[str, str]) -> Iterator[str]:
        return (value for name, value in parameters.items() if self._is_secret(name))


def _words(secret: str) -> Iterator[str]:
    """All that may stand for a secret in a report: it, its lines, and each as Python quotes it."""
    for text in (secret, *secret.splitlines()):
        yield from (text, text.strip(), repr(text)[1:-1])
