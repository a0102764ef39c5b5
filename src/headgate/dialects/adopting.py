"""What dialects of plain turns do alike with a request of another: losses are told, files become words or pictures.
Must not know any of them.
"""

import base64
import binascii
from typing import Final

from msgspec import Struct

from headgate.core.problems import Unrenderable
from headgate.core.request import Extras, File, Image, Inline, OutputFormat, Part, Text

_EMPTIES: Final = frozenset({b"null", b"[]", b'""', b"{}"})


class Losses(Struct):
    """What one request will not be told."""

    dropped: set[str]

    def leave(self, extras: Extras, where: str = "") -> None:
        """Reports leftovers: they are another dialect's."""
        self.dropped.update(where + name for name, raw in extras.items() if bytes(raw) not in _EMPTIES)

    def drop(self, name: str, value: object) -> None:
        """Reports `name` when `value` said something."""
        if value:
            self.dropped.add(name)


def words_or_picture(part: File, service: str, losses: Losses) -> Part:
    """A file where there are none: one of text is said as words, a picture is an image."""
    source = part.source
    if isinstance(source, Inline) and source.media_type.startswith("image/"):
        return Image(source=source)
    if not isinstance(source, Inline) or not source.media_type.startswith("text/"):
        raise Unrenderable(
            f"{service} takes no files but texts and images, inline; send the file's text", param="messages"
        )
    losses.drop("messages.filename", part.name)
    try:
        return Text(text=base64.b64decode(source.data).decode("utf-8", "replace"))
    except binascii.Error:
        raise Unrenderable("a text file's content is not base64", param="messages") from None


def bare_format(output: OutputFormat | None, losses: Losses) -> OutputFormat | None:
    """The shape of the answer, where a schema is all that can be told of it."""
    if output is None:
        return None
    losses.leave(output.extras, "output_format.")
    losses.drop("output_format.description", output.description)
    return OutputFormat(schema=output.schema)
