"""Rebuilding a warehouse beside the live one: from Kafka, from JSONL files, or from its facts."""
