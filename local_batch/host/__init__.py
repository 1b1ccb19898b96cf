"""The only code that knows MiniStack: the server around the local Batch, and all that is not Batch."""
