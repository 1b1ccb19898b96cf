"""Statistics of a field, in bands and merged."""
