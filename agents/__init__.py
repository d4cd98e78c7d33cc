"""The agents that ocfkit ships; imported as `ocfkit.agents`.

Nothing is imported here: starting one agent must not load the others.
"""
