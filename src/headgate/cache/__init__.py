"""The room of cache."""
