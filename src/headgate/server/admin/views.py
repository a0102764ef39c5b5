"""What the administration takes and gives, as models: the source of its OpenAPI document."""

from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from headgate.ledger.calls import PAGE_MAX
from headgate.policies.tenancy import key_terms
from headgate.server.admin.expiry import shown_time
from headgate.server.admin.terms import TermsBody, shown_terms
from headgate.store.queries.keys import KeyRow

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


class KeyBody(TermsBody):
    """What `POST /admin/v1/keys` takes."""

    name: Annotated[Name, Field(strict=True, description="What the key is for.")]
    team: Annotated[str, Field(max_length=64, description="The id of its team.")] = ""
    organisation: Annotated[str, Field(max_length=64, description="Its organisation's, where it has no team.")] = ""
    expires: Annotated[
        str | None,
        Field(max_length=64, description="When it ends: 30d, 12h, 2027-01-31 or 2027-01-31T12:00Z; null: never."),
    ] = None


class Rotation(BaseModel):
    """What `POST /admin/v1/keys/{key_id}/rotate` takes."""

    model_config = ConfigDict(extra="forbid")

    overlap_s: Annotated[
        int, Field(ge=0, le=30 * 86_400, strict=True, description="How long the old key stays good.")
    ] = 86_400


class Key(BaseModel):
    """A key as it is kept: everything but the key itself."""

    id: str
    name: str
    team: str | None
    organisation: str | None
    models: list[str] | None
    terms: TermsBody
    replaces: str | None
    """The first key of those that this one takes the place of."""
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
    terms = key_terms(key)
    models = None if key.models is None else list(key.models)
    return Key(
        id=key.kid,
        name=key.name,
        team=key.team or None,
        organisation=terms.organisation or None,
        models=models,
        terms=shown_terms(msgspec.structs.replace(terms, models=key.models)),
        replaces=terms.lineage or None,
        created=shown_time(key.created_us),
        expires=shown_time(key.expires_us),
        revoked=shown_time(key.revoked_us),
    )
