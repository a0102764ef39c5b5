"""The room of server."""
