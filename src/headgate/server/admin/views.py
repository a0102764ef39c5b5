"""What the administration takes and gives, as models: the source of its OpenAPI document."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from headgate.ledger.calls import PAGE_MAX
from headgate.server.admin.expiry import shown_time
from headgate.store.queries.keys import KeyRow

NOT_YET: Final = frozenset({"budgets", "limits", "team"})
"""Members of a new key that are planned; refused until they are enforced."""

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Fault(BaseModel):
    """What is wrong with a request."""

    message: str
    type: str
    code: str | None
    param: str | None = None


class Refusal(BaseModel):
    """Every answer that is none."""

    error: Fault


class KeyBody(BaseModel):
    """What `POST /admin/v1/keys` takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Name, Field(description="What the key is for.")]
    models: Annotated[
        list[Name] | None,
        Field(min_length=1, max_length=1000, description="The models and routes it may ask for; null: all."),
    ] = None
    expires: Annotated[
        str | None,
        Field(max_length=64, description="When it ends: 30d, 12h, 2027-01-31 or 2027-01-31T12:00Z; null: never."),
    ] = None


class Key(BaseModel):
    """A key as it is kept: everything but the key itself."""

    id: str
    name: str
    models: list[str] | None
    created: str | None
    expires: str | None
    revoked: str | None


class MadeKey(Key):
    """A new key. `key` is shown this once."""

    key: str


class KeyList(BaseModel):
    """All keys, oldest first."""

    data: list[Key]


class CallQuery(BaseModel):
    """Which calls to list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX, description="How many at most.")] = 50
    key_id: Annotated[str | None, Field(max_length=64, description="Made with this key.")] = None
    model: Annotated[str | None, Field(max_length=256, description="Asked for under this name.")] = None
    status: Annotated[int | None, Field(ge=100, le=599, description="Answered with this HTTP status.")] = None
    outcome: Annotated[str | None, Field(max_length=32, description="Ended so, such as ok or rate.")] = None
    since: Annotated[
        str | None,
        Field(
            max_length=64,
            description="Begun at this time (RFC 3339) or later.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    after: Annotated[str, Field(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = ""


def key_view(key: KeyRow) -> Key:
    """A key as shown."""
    return Key(
        id=key.kid,
        name=key.name,
        models=None if key.models is None else list(key.models),
        created=shown_time(key.created_us),
        expires=shown_time(key.expires_us),
        revoked=shown_time(key.revoked_us),
    )
