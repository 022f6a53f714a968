"""Other ways to do the same work, each in an environment of its own."""
