"""What type checkers know of the package itself. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import Literal, assert_type

import ocfkit
from ocfkit import Agnet  # type: ignore[attr-defined]

assert_type(ocfkit.STOPPED, Literal[7])
assert_type(ocfkit.__version__, str)
assert_type(ocfkit.param.port("Port.", default=80), ocfkit.param.Param[int])

print(ocfkit.nonsense, Agnet)  # type: ignore[attr-defined]
