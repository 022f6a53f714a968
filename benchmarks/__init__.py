"""What it costs: every budget of the design measured in one run, beside other ways to do the same.

`make bench` runs `python -m benchmarks`; docs/performance.md says how each row is measured.
"""
