"""Media types: which kind of part a file is, and what a URL's ending says. Must not know the wire."""

from typing import Final, Literal

from headgate.core.request import Audio, File, FileId, Image, Link

Kind = Literal["image", "audio", "file"]

_TYPE_OF_ENDING: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "pdf": "application/pdf",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
}

_UPLOADED: Final = ("https://generativelanguage.googleapis.com/", "gs://", "files/")
"""Addresses that only Google can read: its Files API and its Cloud Storage."""


def kind_of(media_type: str) -> Kind:
    """The kind of part that a media type makes; a document unless it is seen or heard."""
    head = media_type.partition("/")[0]
    return "image" if head == "image" else "audio" if head == "audio" else "file"


def type_of_url(url: str) -> str:
    """What the ending of a URL says its content is; empty: nothing."""
    path = url.partition("?")[0].partition("#")[0]
    return _TYPE_OF_ENDING.get(path.rpartition(".")[2].lower(), "")


def is_uploaded(uri: str) -> bool:
    """Whether `uri` names a file that was uploaded to Google."""
    return uri.startswith(_UPLOADED)


def source_of_uri(uri: str, media_type: str) -> Link | FileId:
    """A `fileUri`: an upload, or any other address."""
    return FileId(uri, media_type) if is_uploaded(uri) else Link(uri, media_type)


def media_type_of(source: Link | FileId) -> str:
    """The media type that was told, or that the address tells."""
    return source.media_type or type_of_url(source.url if isinstance(source, Link) else source.id)


Media = Image | Audio | File
