"""`/admin/v1/keys`: making, listing and ending the keys that clients call with."""

from fastapi import APIRouter

from headgate.policies.issuing import NewKey
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import parse_expiry
from headgate.server.admin.views import Key, KeyBody, KeyList, MadeKey, key_view


def keys_router(doors: Doors) -> APIRouter:
    """The paths, joined to the book of keys."""
    router = APIRouter(prefix="/admin/v1/keys", tags=["keys"])

    @router.post("", status_code=201, summary="Make a key")
    def create(body: KeyBody) -> MadeKey:
        expires_us = None if body.expires is None else parse_expiry(body.expires, doors.now_us())
        models = None if body.models is None else tuple(body.models)
        key, row = doors.keys.create(NewKey(name=body.name, models=models, expires_us=expires_us))
        return MadeKey(**key_view(row).model_dump(), key=key)

    @router.get("", summary="List all keys")
    def list_all() -> KeyList:
        return KeyList(data=[key_view(key) for key in doors.keys.list()])

    @router.delete("/{key_id}", summary="End a key")
    def revoke(key_id: str) -> Key:
        return key_view(doors.keys.revoke(key_id))

    _ = create, list_all, revoke  # the router has them
    return router
