"""The dashboard: pages for people on the administration's listener, made on the server."""
