"""An error is an exit code with a sentence."""

from __future__ import annotations

import errno
import os

import pytest

import ocfkit
from ocfkit.errors import ActionError, DeclarationError, told
from ocfkit.exitcodes import NAMES


def every_error(cls: type[ActionError] = ActionError) -> list[type[ActionError]]:
    mine = [each for each in cls.__subclasses__() if each.__module__ == "ocfkit.errors"]
    return [cls, *(one for each in mine for one in every_error(each))]


def test_there_is_one_for_each_code_that_no_monitor_returns() -> None:
    assert {each.exit_code for each in every_error()} == {1, 2, 3, 4, 5, 6, 190}


@pytest.mark.parametrize("cls", every_error(), ids=lambda cls: cls.__name__)
def test_each_is_public_and_says_what_it_is_told(cls: type[ActionError]) -> None:
    assert getattr(ocfkit, cls.__name__) is cls
    assert str(cls("the page / answered 503")) == "the page / answered 503"
    assert cls.exit_code in NAMES
    assert cls.exit_code != 0


def test_a_wrong_class_gets_a_line_for_each_mistake() -> None:
    error = DeclarationError("Web", ["it has no docstring", "it has no method stop"])
    assert (
        str(error) == "Web is no agent: it has no docstring\nWeb is no agent: it has no method stop"
    )
    assert error.sentences == ("it has no docstring", "it has no method stop")


def test_what_the_system_says_is_told_with_the_file_and_without_the_number() -> None:
    no_entry = os.strerror(errno.ENOENT)
    assert told(FileNotFoundError(errno.ENOENT, no_entry, "/etc/web")) == f"{no_entry}: /etc/web"
    assert told(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) == "refused"
    assert told(TimeoutError("timed out")) == "timed out"
    assert told(OSError()) == ""
