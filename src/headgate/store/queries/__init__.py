"""Everything that is asked of the database, one file per subject. Each function takes a connection in a transaction."""
