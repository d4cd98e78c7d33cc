"""One PostgreSQL instance: how it is told from others, started, asked and stopped.

Nothing is imported here: whoever runs another agent loads none of it.
"""
