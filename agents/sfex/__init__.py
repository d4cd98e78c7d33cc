"""An exclusive lock on a shared disk, in the format of the C tools of that name."""
