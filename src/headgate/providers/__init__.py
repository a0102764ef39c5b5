"""The room of providers."""
