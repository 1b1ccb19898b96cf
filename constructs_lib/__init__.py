"""Units of meaning: one construct a file, keyword-only props, no environment, no names of stages."""
