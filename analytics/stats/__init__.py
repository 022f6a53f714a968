"""Pure statistics on arrays of moments."""
