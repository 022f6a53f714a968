"""The nightly report: HTML, Markdown and JSON of the same numbers."""
