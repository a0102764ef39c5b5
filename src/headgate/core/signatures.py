"""Signatures that travel through a foreign dialect: `~hg.<dialect>.<value>`, so that each finds its way home.

An answer of one service may be shown to a client in another dialect's shape. Its proofs go along in that dialect's
own field, marked with who minted them; when the client sends the turn back, the mark says whether the chosen
upstream can read them.
"""

from headgate.core.request import Signature

_MARK = "~hg."
SEAL = b'"~hg.'
"""How the JSON of a marked signature begins. A tilde is rare in texts, and looking for one byte is almost free."""


def seal(signature: Signature, *, spoken: str) -> str:
    """The text to put on the wire of dialect `spoken`: bare at home, marked abroad."""
    return signature.value if signature.minted_by == spoken else f"{_MARK}{signature.minted_by}.{signature.value}"


def unseal(text: str, *, spoken: str) -> Signature:
    """The signature that a client of dialect `spoken` sent back."""
    if text.startswith(_MARK):
        minted_by, dot, value = text[len(_MARK) :].partition(".")
        if dot:
            return Signature(minted_by, value)
    return Signature(spoken, text)


def has_seals(body: bytes, beginnings: tuple[bytes, ...] = (SEAL,)) -> bool:
    """Whether a JSON body may carry marked signatures; without one of these beginnings it has none."""
    # 65 µs → 1 µs for 30 kB: a search for several bytes reads each of them, that for one does not
    return any(body.find(beginning[1:2]) >= 0 and body.find(beginning) >= 0 for beginning in beginnings)
