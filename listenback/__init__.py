"""The `listenback` command: one entry point, thin."""
