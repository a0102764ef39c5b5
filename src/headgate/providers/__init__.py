"""Who speaks which dialect, where, with which credential and quirks: data, read once. Opens no socket."""
