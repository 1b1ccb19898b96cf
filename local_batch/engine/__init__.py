"""The pure core: events in, actions out; no I/O, no clock, no threads.

Times are epoch milliseconds and come from the caller.
"""
