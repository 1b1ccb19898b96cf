"""Stands in for a program: does nothing."""

print("standin")
