"""How safe the semantic cache is, and how much it saves: labelled pairs, streams and traps."""
