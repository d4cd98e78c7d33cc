"""The agents that ocfkit ships; imported as `ocfkit.agents`.

Nothing is imported here: starting one agent must not load the others.
"""

SHIPPED = {
    "http": "ocfkit.agents.http:Http",
    "pgsql": "ocfkit.agents.pgsql:Pgsql",
    "service": "ocfkit.agents.service:Service",
}
"""Name in a cluster → module and class; the same as the package registers (pyproject.toml)."""
