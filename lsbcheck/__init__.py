"""Check an init script against the rules that Pacemaker relies on, in private machines.

The command is `lsbcheck` (`lsbcheck.__main__`). A script is found (`script`), run through an
itinerary of scenarios in sandboxes (`itinerary`, `sandbox`), what was seen is written down
(`transcript`), rules judge it (`rules`), and the user gets a report (`report`).
"""

from ocfkit import __version__

__all__ = ["__version__"]
