"""The checkout, as git sees it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def checked_in() -> list[str]:
    """Every file of it, new ones too."""
    ask = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in set(answer.split("\0")) if path and (ROOT / path).exists())
