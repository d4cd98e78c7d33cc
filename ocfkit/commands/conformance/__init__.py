"""The front of `ocfkit.conformance`: a command line in, a report and an exit code out."""
