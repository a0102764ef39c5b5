"""The administration: an HTTP API for the operator, on a listener of its own. Must not know how clients are served."""
