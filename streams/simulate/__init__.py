"""A seeded world with planted truth: listeners, experiments, judges and a log that misbehaves."""
