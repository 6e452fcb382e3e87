"""The command line: each command parses, calls the store, and prints."""
