"""Submits, follows and explains work on AWS Batch; knows an API, not where it is."""
