"""What stands beside the calls: keys, the administration, lists of models, signs of life."""

import json
from typing import Any

import pytest

from tests.acceptance.calling import Reply, ask
from tests.acceptance.running import Gateway

BEARER = "authorization"


def administer(running: Gateway, method: str, path: str, body: object = None) -> Reply:
    """A call of the administration with its key."""
    key = {BEARER: f"Bearer {running.environment['HEADGATE_ADMIN_KEY']}"}
    return ask(running.admin_url, method, path, key, b"" if body is None else json.dumps(body).encode())


# Keys


def test_a_key_made_on_the_command_line_works_at_once(running: Gateway):
    key = running.run("keys", "create", "--name", "fresh").strip()
    assert ask(running.url, "GET", "/v1/models", {BEARER: f"Bearer {key}"}).status == 200


def test_a_key_of_the_administration_works_until_it_is_ended(running: Gateway):
    made = administer(running, "POST", "/admin/v1/keys", {"name": "by hand", "models": ["via-openai"]})
    assert made.status == 201
    key = json.loads(made.body)
    fields = {BEARER: f"Bearer {key['key']}"}
    listed = json.loads(ask(running.url, "GET", "/v1/models", fields).body)
    assert [entry["id"] for entry in listed["data"]] == ["via-openai"]

    rows = json.loads(administer(running, "GET", "/admin/v1/keys").body)["data"]
    (row,) = [row for row in rows if row["id"] == key["id"]]
    assert (row["name"], row["models"], row["revoked"]) == ("by hand", ["via-openai"], None)
    assert "key" not in row
    assert key["key"] not in json.dumps(rows)

    assert administer(running, "DELETE", f"/admin/v1/keys/{key['id']}").status == 200
    assert ask(running.url, "GET", "/v1/models", fields).status == 401
    assert administer(running, "DELETE", "/admin/v1/keys/nobody").status == 404


CLOSED = [
    "/admin/v1/keys",
    "/admin/v1/calls",
    "/admin/v1/providers",
    "/admin/v1/models",
    "/admin/v1/openapi.json",
    "/metrics",
]


@pytest.mark.parametrize("path", CLOSED)
def test_the_administration_is_closed_without_its_key(running: Gateway, path: str):
    wrong = [{}, {BEARER: "Bearer wrong"}, {BEARER: f"Bearer {running.key}"}, {"x-api-key": running.key}]
    for fields in wrong:
        reply = ask(running.admin_url, "GET", path, fields)
        assert reply.status == 401
        assert json.loads(reply.body)["error"]["code"] == "invalid_admin_key"


def test_the_admin_key_opens_nothing_for_clients(running: Gateway):
    fields = {BEARER: f"Bearer {running.environment['HEADGATE_ADMIN_KEY']}"}
    assert ask(running.url, "GET", "/v1/models", fields).status == 401


def test_the_openapi_document_loads(running: Gateway):
    reply = administer(running, "GET", "/admin/v1/openapi.json")
    document = json.loads(reply.body)
    assert document["openapi"].startswith("3.")
    assert {"/admin/v1/keys", "/admin/v1/keys/{key_id}", "/admin/v1/calls"} <= document["paths"].keys()


BAD_KEYS: list[tuple[Any, str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": 5}, "name"),
    ({"name": "n", "models": "all"}, "models"),
    ({"name": "n", "expires": "yesterday"}, "expires"),
    ({"name": "n", "expires": "2001-01-01"}, "expires"),
    ({"name": "n", "colour": "red"}, "colour"),
    ({"name": "n", "budgets": "many"}, "budgets"),
    ([], "body"),
]


@pytest.mark.parametrize(("body", "field"), BAD_KEYS)
def test_a_key_that_cannot_be(running: Gateway, body: object, field: str):
    reply = administer(running, "POST", "/admin/v1/keys", body)
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["param"] == field


# The list of models, in four shapes

SHAPES = {
    "openai": ("/v1/models", {}, {"object", "data"}),
    "anthropic": ("/v1/models", {"anthropic-version": "2023-06-01"}, {"data", "has_more", "first_id", "last_id"}),
    "codex": ("/v1/models?client_version=0.169.0", {}, {"models"}),
    "gemini": ("/v1beta/models", {}, {"models"}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_one_list_of_models_in_the_callers_shape(running: Gateway, shape: str):
    path, fields, members = SHAPES[shape]
    key = {"x-goog-api-key": running.key} if shape == "gemini" else {BEARER: f"Bearer {running.key}"}
    reply = ask(running.url, "GET", path, {**fields, **key})
    assert reply.status == 200
    assert json.loads(reply.body).keys() == members


NAMES = {
    "openai": lambda page: [entry["id"] for entry in page["data"]],
    "anthropic": lambda page: [entry["id"] for entry in page["data"]],
    "gemini": lambda page: [entry["name"].removeprefix("models/") for entry in page["models"]],
}


def test_every_shape_lists_the_same_names(running: Gateway):
    key = {BEARER: f"Bearer {running.key}"}
    seen = {}
    for shape, names in NAMES.items():
        path, fields, _ = SHAPES[shape]
        seen[shape] = names(json.loads(ask(running.url, "GET", path, {**fields, **key}).body))
    assert set(seen["openai"]) > {"via-openai", "via-gemini"}
    assert seen["anthropic"] == seen["openai"] == seen["gemini"]


def test_a_list_in_pages_is_the_whole_list(running: Gateway):
    key = {BEARER: f"Bearer {running.key}", "anthropic-version": "2023-06-01"}
    whole = [entry["id"] for entry in json.loads(ask(running.url, "GET", "/v1/models", key).body)["data"]]
    pages: list[str] = []
    after = ""
    while True:
        page = json.loads(ask(running.url, "GET", f"/v1/models?limit=3{after}", key).body)
        pages += [entry["id"] for entry in page["data"]]
        after = f"&after_id={page['last_id']}"
        if not page["has_more"]:
            break
    assert pages == whole


def test_each_listed_model_can_be_looked_up(running: Gateway):
    for name in ("via-openai", "via-gemini"):
        entry = running.get(f"/v1/models/{name}")
        assert entry["id"] == name


# Signs of life


@pytest.mark.parametrize("path", ["/", "/api/hello", "/livez", "/readyz"])
def test_signs_of_life_need_no_key(running: Gateway, path: str):
    shown = ask(running.url, "GET", path, {})
    looked_at = ask(running.url, "HEAD", path, {})
    assert (shown.status, looked_at.status, looked_at.body) == (200, 200, b"")
    assert looked_at.headers["content-length"] == str(len(shown.body))


def test_the_administration_is_alive(running: Gateway):
    assert ask(running.admin_url, "GET", "/livez", {}).status == 200
