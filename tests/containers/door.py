"""`./dev image`: a Debian with services in it as an image, without a registry.

    ./dev image [--engine docker|podman] [ROOT]

The roots are those of tests/services/roots.toml; what is missing is built by debootstrap first. It
prints the image's name, for `lsbcheck --sandbox docker --image NAME snmpd`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev

from lsbcheck.sandbox.interface import SandboxUnavailable  # noqa: E402
from tests.cluster.engine import EngineError  # noqa: E402
from tests.containers import engines, images  # noqa: E402
from tests.services import roots  # noqa: E402

ENGINES: dict[str, Callable[[], AbstractContextManager[engines.Engine]]] = {
    "docker": engines.docker,
    "podman": engines.podman,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev image", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--engine", choices=tuple(ENGINES), default="docker")
    parser.add_argument(
        "root",
        nargs="?",
        default="sample",
        choices=sorted(roots.recipes()["roots"]),
        metavar="ROOT",
    )
    wanted = parser.parse_args()
    try:
        with ENGINES[wanted.engine]() as engine:
            print(images.of_root(engine.client, wanted.root))
    except (EngineError, SandboxUnavailable, roots.RootError) as error:
        print(f"no image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
