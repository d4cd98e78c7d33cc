"""Deep monitors: each asks a service one thing, within a deadline, and says what it saw.

Every module has one function `check`, for the body of a deep check in any agent:

    from ocfkit.monitors import http

    @monitor.depth(10, retries=2)
    def page_comes_back(self) -> None:
        http.check("http://127.0.0.1/status", deadline=self.deadline, match="ready")

It returns when the answer is right, and raises otherwise: ActionError when the service does not do
what it should, DegradedError when it does and will probably not for long, InstallationError where
software for the question is missing on this node, ConfigurationError when the question itself can
be right nowhere. The sentence says what was asked, what was seen, and how long it took.

`process`, `tcp`, `http`, `command`, `sql` and `journey` are imported one by one: an agent pays for
what it asks.
"""
