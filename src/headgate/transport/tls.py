"""The one TLS context towards upstreams: hosts are verified, always."""

import ssl


def client_context() -> ssl.SSLContext:
    """Trusts the system's certificate authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR; TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
