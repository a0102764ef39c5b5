"""What answers that were used again save, and how they are purged: by the administration and the command line."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import reuse_desk
from headgate.app.administration import admin_doors
from headgate.app.cli import main
from headgate.server.admin.application import create_admin
from headgate.server.admin.guard import AdminKey
from headgate.transport.fake import Drip
from tests.engine.harness import Bench, bench

KEY = "k" * 40
MODEL = "r_openai_chat"
Ask = Callable[[str, str], Awaitable[dict[str, Any]]]


def run(folder: Path, work: Callable[[Bench, Ask], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with bench(folder, "a", cache={"mode": "exact"}) as gateway:
            application = create_admin(admin_doors(gateway.core), AdminKey.of(KEY, gateway.core.pepper.digest))
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:

                async def ask(method: str, path: str) -> dict[str, Any]:
                    headers = {"authorization": f"Bearer {KEY}"}
                    answer = await client.request(method, f"/admin/v1{path}", headers=headers)
                    return {"status": answer.status_code, **answer.json()}

                await work(gateway, ask)

    asyncio.run(inside())


async def become(gateway: Bench, **members: Any) -> str:
    return (await gateway.post("openai_chat", MODEL, **members)).headers["x-headgate-cache"]


def test_what_is_saved_stands_in_the_books(tmp_path: Path):
    async def work(gateway: Bench, ask: Ask) -> None:
        paid = await gateway.record(await gateway.post("openai_chat", MODEL))
        for _ in range(3):
            assert await become(gateway) == "hit"
        gateway.upstreams["a"].fail(Drip(gap_s=0.02))
        together = await asyncio.gather(*(gateway.post("openai_chat", MODEL, seed=1) for _ in range(3)))
        [other] = [each for answer in together if (each := await gateway.record(answer)).reused is None]
        assert paid.usage is not None
        cost = paid.attempts[0].cost_nano_usd
        assert cost > 0
        for by, what in (("key", "test"), ("team", ""), ("route", MODEL), ("model", MODEL)):
            told = await ask("GET", f"/savings?by={by}")
            hits, shared = [
                next(line for line in told["data"] if line["how"] == how and line["what"] == what)
                for how in ("hit", "coalesced")
            ]
            assert (hits["calls"], shared["calls"]) == (3, 2)
            assert hits["input_tokens"] == 3 * paid.usage.input_tokens
            assert hits["output_tokens"] == 3 * paid.usage.output_tokens
            assert float(hits["usd"]) == pytest.approx(3 * cost / 1e9)
            assert float(shared["usd"]) == pytest.approx(2 * other.attempts[0].cost_nano_usd / 1e9)
            assert float(told["usd"]) == pytest.approx(float(hits["usd"]) + float(shared["usd"]))
            assert hits["ms"] >= 0
        [day, *_] = {line["what"] for line in (await ask("GET", "/savings"))["data"]}
        assert (await ask("GET", f"/savings?since=2020-01-01&until={day}"))["data"] == []
        assert len((await ask("GET", f"/savings?since={day}"))["data"]) == 2
        assert (await ask("GET", "/savings?since=today"))["status"] == 400

    run(tmp_path, work)


PURGES = [
    ("tag=blue", {"x-headgate-cache-tags": "red, blue"}),
    ("model=r_openai_chat", {}),
    ("model=a_openai_chat/m", {}),
    ("model=m", {}),
    ("namespace=", {}),
    ("namespace=mine", {"x-headgate-cache-namespace": "mine"}),
    ("all=true", {}),
]


@pytest.mark.parametrize(("query", "headers"), PURGES)
def test_what_is_purged_is_gone(tmp_path: Path, query: str, headers: dict[str, str]):
    async def work(gateway: Bench, ask: Ask) -> None:
        gateway.client.headers.update(headers)
        assert [await become(gateway) for _ in range(2)] == ["miss", "hit"]
        assert (await ask("DELETE", "/cache?tag=green"))["purged"] == 0
        assert await become(gateway) == "hit"
        assert (await ask("GET", "/cache"))["memory_entries"] == 1
        assert (await ask("DELETE", f"/cache?{query}"))["purged"] == 1
        state = await ask("GET", "/cache")
        assert (state["memory_entries"], state["memory_bytes"], state["kept_entries"]) == (0, 0, 0)
        assert await become(gateway) == "miss"

    run(tmp_path, work)


def test_one_answer_is_purged_by_its_key(tmp_path: Path):
    async def work(gateway: Bench, ask: Ask) -> None:
        key = (await gateway.post("openai_chat", MODEL)).headers["x-headgate-cache-key"]
        await become(gateway, seed=1)
        assert (await ask("DELETE", f"/cache?key={key}"))["purged"] == 1
        assert [await become(gateway), await become(gateway, seed=1)] == ["miss", "hit"]

    run(tmp_path, work)


@pytest.mark.parametrize("query", ["", "key=abc", "tenant=nobody", "tga=x"])
def test_what_is_meant_must_be_said(tmp_path: Path, query: str):
    async def work(gateway: Bench, ask: Ask) -> None:
        await become(gateway)
        assert (await ask("DELETE", f"/cache?{query}"))["status"] in (400, 404)
        assert await become(gateway) == "hit"

    run(tmp_path, work)


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["headgate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def test_a_running_gateway_hears_of_a_purge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(reuse_desk, "HEARING_S", 0.05)
    monkeypatch.setenv("HEADGATE_DATA_DIR", str(tmp_path))

    async def work(gateway: Bench, ask: Ask) -> None:
        await gateway.record(await gateway.post("openai_chat", MODEL))
        assert await become(gateway) == "hit"
        assert gateway.core.answers.flush()
        gateway.core.applier.drain()
        assert "1 answers" in (await asyncio.to_thread(command, monkeypatch, capsys, "cache", "show"))[1]
        refused = await asyncio.to_thread(command, monkeypatch, capsys, "cache", "purge", "tga=x")
        assert (refused[0], "is not known here" in refused[1]) == (2, True)
        assert (await asyncio.to_thread(command, monkeypatch, capsys, "cache", "purge", "key=12"))[0] == 2
        told = await asyncio.to_thread(command, monkeypatch, capsys, "cache", "purge", f"model={MODEL}", "--json")
        assert json.loads(told[1]) == {"purged": 1}
        async with asyncio.timeout(5):
            while len(gateway.core.answers.shelf):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await become(gateway) == "miss"
        for by in ("day", "key", "team", "route", "model"):
            told = await asyncio.to_thread(command, monkeypatch, capsys, "savings", "--by", by, "--json")
            [line] = json.loads(told[1])
            assert (line["how"], line["calls"]) == ("hit", 1)
        assert (await asyncio.to_thread(command, monkeypatch, capsys, "savings", "--by", "moon"))[0] == 2
        assert "hit" in (await asyncio.to_thread(command, monkeypatch, capsys, "savings"))[1]
        assert (await asyncio.to_thread(command, monkeypatch, capsys, "cache", "purge", "all"))[0] == 0

    run(tmp_path, work)
