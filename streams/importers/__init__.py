"""Files of other systems turned into events."""
