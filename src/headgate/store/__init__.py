"""The room of store: the only SQL. Knows tables and named queries, not what they are for."""
