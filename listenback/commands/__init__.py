"""One file a command; each only parses, calls and prints."""
