"""The agents that ocfkit ships, and commands that go with them; imported as `ocfkit.agents`.

Nothing is imported here: starting one agent must not load the others.
"""

SHIPPED = {
    "http": "ocfkit.agents.http:Http",
    "pgsql": "ocfkit.agents.pgsql.agent:Pgsql",
    "service": "ocfkit.agents.service:Service",
    "sfex": "ocfkit.agents.sfex.agent:Sfex",
}
"""Name in a cluster → module and class; the same as the package registers (pyproject.toml)."""

COMMANDS = {
    "sfex": "ocfkit.agents.sfex.tool",
}
"""Sub-command of `ocfkit` → module; the same as the package registers."""
