"""The sub-commands of `ocfkit`: a module each, which adds its options to a parser and runs."""
