"""What Alembic runs to migrate: the caller's connection and transaction, nothing of its own."""

from alembic import context

from headgate.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
