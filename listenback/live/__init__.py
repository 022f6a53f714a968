"""The live page: what the warehouse shows now, read-only, in a browser."""
