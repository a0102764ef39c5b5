"""`/admin/v1/keys`: making, listing and ending the keys that clients call with."""

from fastapi import APIRouter

from headgate.limits.terms import NO_TERMS
from headgate.policies.issuing import NewKey
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import parse_expiry
from headgate.server.admin.terms import TermsBody, changed_terms
from headgate.server.admin.views import Key, KeyBody, KeyList, MadeKey, Rotation, key_view


def keys_router(doors: Doors) -> APIRouter:
    """The paths, joined to the book of keys."""
    router = APIRouter(prefix="/admin/v1/keys", tags=["keys"])

    @router.post("", status_code=201, summary="Make a key")
    def create(who: Who, body: KeyBody) -> MadeKey:
        expires_us = None if body.expires is None else parse_expiry(body.expires, doors.now_us())
        terms = changed_terms(NO_TERMS, body)
        wanted = NewKey(
            name=body.name,
            team=body.team,
            organisation=body.organisation,
            models=terms.models,
            expires_us=expires_us,
            terms=terms,
        )
        key, row = doors.seen_by(who).keys.create(wanted)
        return MadeKey(**key_view(row).model_dump(), key=key)

    @router.get("", summary="List all keys")
    def list_all(who: Who) -> KeyList:
        return KeyList(data=[key_view(key) for key in doors.seen_by(who).keys.list()])

    @router.delete("/{key_id}", summary="End a key")
    def revoke(who: Who, key_id: str) -> Key:
        return key_view(doors.seen_by(who).keys.revoke(key_id))

    @router.patch("/{key_id}", summary="Change what a key may do")
    def change(who: Who, key_id: str, body: TermsBody) -> Key:
        return key_view(doors.seen_by(who).keys.change(key_id, lambda old: changed_terms(old, body)))

    @router.post("/{key_id}/rotate", status_code=201, summary="Put a new key in the place of one")
    def rotate(who: Who, key_id: str, body: Rotation) -> MadeKey:
        key, row = doors.seen_by(who).keys.rotate(key_id, body.overlap_s * 1_000_000)
        return MadeKey(**key_view(row).model_dump(), key=key)

    _ = create, list_all, revoke, change, rotate  # the router has them
    return router
