"""Credentials that must be fetched or computed, put on a request just before it is sent. One file for each cloud."""
