"""What a request to the dashboard carries: its query, its form, its cookie; and whether another site sent it. Pure."""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from headgate.core.problems import InvalidRequest

FIELDS_MAX = 200


def fields(encoded: bytes) -> dict[str, str]:
    """A query's or a form's fields without empty ones; of one that is there twice, the last."""
    try:
        pairs = parse_qsl(encoded.decode("ascii", "strict"), max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise InvalidRequest("The form cannot be read.") from None
    return {name: value.strip() for name, value in pairs if value.strip()}


def cookie(header: bytes, name: str) -> str:
    """The value of a cookie; empty: there is none."""
    try:
        found = SimpleCookie(header.decode("latin-1")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def is_from_here(headers: dict[bytes, bytes]) -> bool:
    """Whether one of our own pages sent it, as browsers say. A client that says nothing is no browser."""
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in (b"same-origin", b"none"):
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return urlsplit(origin.decode("latin-1")).netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower()
