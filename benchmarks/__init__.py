"""Benchmarks: each measures the project next to a peer or a limit in the same run."""
