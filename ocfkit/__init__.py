"""OCF resource agents in Python.

Kept light, since it runs on the way to `ocfkit.linux` and before every agent.
"""

__version__ = "0.1.0"
