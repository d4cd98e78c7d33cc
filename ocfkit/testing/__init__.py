"""Test an agent: run its actions, in this process or as one of their own, and look at the outcome.

`ocf` of the pytest plugin makes an instance of an agent: `web = ocf(Web, port=8080)`. Its actions
return outcomes: `assert web.start().code == 0`.
"""

from ocfkit.testing.cluster import FakeCluster
from ocfkit.testing.instance import Instance, Node, run, run_process
from ocfkit.testing.outcome import Outcome

__all__ = ["FakeCluster", "Instance", "Node", "Outcome", "run", "run_process"]
