"""The room of policies."""
