"""Pure functions from frames to frames: dedupe, join, windows, watermark."""
