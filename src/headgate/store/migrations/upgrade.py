"""Runs the migrations, given a connection in a transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from headgate.core.problems import ConfigError


def upgrade(connection: Connection) -> None:
    """Applies every migration that the database does not have."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as fault:
        raise ConfigError(f"The database was written by another version of Headgate: {fault}") from fault
