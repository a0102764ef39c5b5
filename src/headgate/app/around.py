"""What runs in a server, for what is joined to all of it. Must not know what that is."""

from collections.abc import Callable
from typing import NamedTuple

from headgate.app.core import Core
from headgate.engine.conduct import Engine
from headgate.server.listener import ClientListener
from headgate.server.listening import Spawn


class Around(NamedTuple):
    """A running server."""

    core: Core
    engine: Engine
    listener: ClientListener
    spawn: Spawn
    is_stopping: Callable[[], bool]
    clients_url: str
