"""Bodies of calls that pass through: what is no JSON passes while it comes."""

from pathlib import Path
from typing import Any

import pytest

from headgate.engine.receiving import is_no_json
from headgate.transport.fake import FakeUpstream
from tests.engine.test_keeping import answer, file
from tests.engine.test_passing import Keys
from tests.engine.test_uploads import HEAD, LINES, MOST, TAIL, flow, listening

pytestmark = pytest.mark.anyio
OPEN: dict[str, Any] = {"pass_through": {"providers": ["one"]}}
MAY = {"authorization": "Bearer may"}
TYPES = ["multipart/form-data; boundary=b", "application/octet-stream", "multipart/related; boundary=b", "video/mp4"]


def sent(upstream: FakeUpstream) -> bytes:
    return upstream.log[-1].body


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("knows_length", [True, False])
async def test_it_passes_as_it_comes_and_is_longer_than_what_is_held(
    tmp_path: Path, content_type: str, knows_length: bool
):
    body = HEAD + LINES * 600 + TAIL  # 37 MiB
    content = body if knows_length else flow(HEAD, LINES, TAIL, count=600)
    async with listening(tmp_path, Keys(), **OPEN) as at:
        at.one.reply(b"{}", path="/v1/anything")
        answered = await at.net.post("/one/v1/anything", content=content, headers=MAY | {"content-type": content_type})

        assert answered.status_code == 200
        assert sent(at.one) == body
        assert at.one.log[-1].headers["content-type"] == content_type
        assert ("content-length" in at.one.log[-1].headers) is knows_length


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"],
)
def test_what_is_json_or_may_be_is_held(content_type: str):
    assert not is_no_json(content_type)


async def test_one_that_is_too_long_is_refused(tmp_path: Path):
    async with listening(tmp_path, Keys(), **OPEN) as at:
        headers = MAY | {"content-type": "video/mp4"}
        refused = await at.net.post("/one/v1/anything", content=b"x" * (MOST + 1), headers=headers)
        assert (refused.status_code, "kept.upload_bytes_max" in refused.text) == (413, True)


async def test_a_file_is_uploaded_by_the_rules_for_files(tmp_path: Path):
    async with listening(tmp_path, Keys(), **OPEN) as at:
        at.one.reply(answer(file("file-1")), path="/v1/files")
        form = MAY | {"content-type": TYPES[0]}
        made = await at.net.post("/one/v1/files", content=flow(HEAD, LINES, TAIL, count=600), headers=form)
        odd = await at.net.post("/one/v1/files", content=LINES, headers=MAY | {"content-type": "video/mp4"})
        at.one.reply(b"{}", path="/v1/files/file-1")
        put = await at.net.put("/one/v1/files/file-1", content=LINES, headers=MAY | {"content-type": "video/mp4"})

        assert (made.status_code, made.json()["id"]) == (200, "file-1")
        assert odd.status_code == 415
        assert (put.status_code, "PUT" in put.text) == (400, True)
        assert len(at.one.log) == 1
