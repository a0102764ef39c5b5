"""Credentials that are fetched or computed just before a request is sent. Must not know any provider."""
