"""The HTTP API under /v1, and the application around everything that is served."""
