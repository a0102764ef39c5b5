"""The room of routing."""
