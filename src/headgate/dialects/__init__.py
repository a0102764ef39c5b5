"""Wire formats, both directions, without I/O: bytes in, words out, and back. One folder each; none knows another."""
