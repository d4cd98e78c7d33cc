"""An exclusive lock on a shared disk, in the format of the C tools of that name.

Nothing is imported here: who looks at a lock does not load what keeps it.
"""
