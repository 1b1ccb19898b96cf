"""The Batch REST API: requests in AWS's shapes become engine events, the engine's state becomes AWS's replies."""
