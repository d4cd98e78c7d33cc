"""The command `ocfkit`."""

from __future__ import annotations

import argparse
import sys

from ocfkit import __version__


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="ocfkit",
        description="OCF resource agents in Python.",
        epilog="The framework has no commands yet. To check an init script, run lsbcheck.",
    )
    parser.add_argument("--version", action="version", version=f"ocfkit {__version__}")
    parser.parse_args(argv)
    parser.print_help()
    return 0


def entry() -> None:
    """End the process with what main says."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
