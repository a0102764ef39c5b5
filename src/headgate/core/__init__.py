"""The words everyone speaks: requests, events, usage, records, problems. Knows no wire format and does no I/O."""
