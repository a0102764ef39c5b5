"""The room of app."""
