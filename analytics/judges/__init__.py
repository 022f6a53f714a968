"""Judges on trial: what a judge's scores are worth beside people and beside listeners."""
