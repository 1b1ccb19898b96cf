"""Executors run attempts: work in, reports out. They know neither the API nor the engine's state."""
