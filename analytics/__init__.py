"""What leaves: moments, intervals, verdicts, the report."""
