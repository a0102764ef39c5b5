"""How a request was spelt, beyond its meaning: what a whole `Request.form` says in this dialect."""

from msgspec import Struct


class RequestForm(Struct, frozen=True):
    """The API version of its header, and which members it named although they said no more than the default."""

    version: str = ""
    has_stream: bool = False
    has_tools: bool = False

    @property
    def text(self) -> str:
        """As a `form`."""
        return f"{self.version}|{'stream' * self.has_stream}|{'tools' * self.has_tools}"

    @classmethod
    def of(cls, text: str) -> "RequestForm":
        """Back from a `form`."""
        version, _, rest = text.partition("|")
        return cls(version=version, has_stream="stream" in rest, has_tools="tools" in rest)
