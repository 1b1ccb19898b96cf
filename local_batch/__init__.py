"""AWS Batch on this machine: the Batch API on a loopback port, jobs as real processes."""
