"""Judges on trial: how far a judge agrees with people."""
