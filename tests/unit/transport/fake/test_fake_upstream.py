"""The fake upstream as its users meet it: scripts, faults, the log, the control API, the thread and the process."""

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import (
    CutAfter,
    Drip,
    Empty200,
    FakeSettings,
    FakeUpstream,
    HtmlBody,
    InBandError,
    MalformedEvent,
    Refuse,
    Send,
    SlowFirstByte,
    StallAfter,
    Status,
    Wait,
)
from headgate.transport.pool import Pool


async def call(upstream, path="/v1/chat/completions", body=b'{"model":"m","messages":[]}', method="POST"):
    pool = Pool()
    request = UpstreamRequest(method=method, url=upstream.url + path, headers=(), body=body)
    flight = pool.start(request, Timeouts(head_s=5, idle_s=5))
    try:
        await flight.head()
        return flight.status, dict(flight.headers), await flight.read_all(1_000_000)
    finally:
        await pool.aclose()


def scene(play, settings=None):
    """Runs `play` with an upstream."""

    async def run():
        async with asyncio.timeout(20), FakeUpstream(settings) as upstream:
            return await play(upstream)

    return asyncio.run(run())


def fetch(url, method="GET", body=None):
    with urllib.request.urlopen(urllib.request.Request(url, method=method, data=body), timeout=5) as answer:  # noqa: S310
        return answer.status, answer.read()


def test_one_time_answers_come_first_and_run_out():
    async def play(upstream):
        upstream.reply(b"always")
        upstream.reply(b"twice", status=201, times=2)
        upstream.stream([b"a", b"b"], times=1)
        upstream.reply(b"elsewhere", path="/other")
        answers = [await call(upstream) for _ in range(4)]
        return [(status, body) for status, _, body in answers], (await call(upstream, "/other?x=1"))[2]

    assert scene(play) == ([(201, b"twice"), (201, b"twice"), (200, b"ab"), (200, b"always")], b"elsewhere")


def test_a_script_is_played_to_the_letter():
    async def play(upstream):
        upstream.script([Send(b"HTTP/1.1 299 Odd\r\ncontent-"), Wait(0.05), Send(b"length: 2\r\n\r\nok")])
        status, _, body = await call(upstream)
        [attempt] = upstream.log
        pause_s = attempt.sent[1][0] - attempt.sent[0][0]
        return (status, body, attempt.status, attempt.bytes_sent, attempt.completed), pause_s

    seen, pause_s = scene(play)
    assert seen == (299, b"ok", 299, 41, True)
    assert pause_s >= 0.04


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Status(status=429, retry_after_s=5, body="slow down"), 429, b"slow down"),
        (Status(status=529), 529, b'{"error":{"message":"scripted by FakeUpstream"'),
        (HtmlBody(), 200, b"<!doctype html>"),
        (Empty200(), 200, b""),
        (SlowFirstByte(s=0.05), 200, b"onetwo"),
        (Drip(gap_s=0.02), 200, b"onetwo"),
        (StallAfter(bytes=4, s=0.05), 200, b"onetwo"),
        (MalformedEvent(), 200, b'onedata: {"broken": \n\ntwo'),
        (InBandError(index=1), 200, b'onedata: {"error":'),
    ],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_a_fault_shapes_the_answer(fault, status, body):
    async def play(upstream):
        upstream.stream([b"one", b"two"])
        upstream.fail(fault, times=1)
        failed, healed = await call(upstream), await call(upstream)
        return failed, healed[2], [attempt.fault for attempt in upstream.log]

    (seen, headers, came), healed, faults = scene(play)
    assert (seen, came[: len(body)], healed) == (status, body, b"onetwo")
    assert faults == [fault.name, None]
    assert headers.get("retry-after") == ("5" if status == 429 else None)


def test_a_malformed_whole_answer_is_half_of_it():
    async def play(upstream):
        upstream.reply(b"12345678")
        upstream.fail(MalformedEvent())
        return (await call(upstream))[2]

    assert scene(play) == b"1234"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_in_band_errors_are_in_the_words_of_the_api(path):
    async def play(upstream):
        upstream.fail(InBandError())
        return (await call(upstream, path, b'{"stream":true}'))[2]

    *_, data = scene(play).strip().split(b"data: ")
    assert "overloaded" in data.decode().lower()


def test_chance_comes_from_the_seed():
    async def play(upstream):
        upstream.fail(Status(status=500), probability=0.3)
        return [(await call(upstream))[0] for _ in range(40)]

    first, again, other = (scene(play, FakeSettings(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert 4 <= first.count(500) <= 20


def test_a_fault_can_be_bound_to_a_path():
    async def play(upstream):
        upstream.fail(Status(status=500), path="/v1/messages")
        return (await call(upstream))[0], (await call(upstream, "/v1/messages"))[0]

    assert scene(play) == (200, 500)


def test_the_log_says_who_ended_it():
    async def play(upstream):
        upstream.fail(CutAfter(bytes=10), times=1)
        upstream.fail(StallAfter(bytes=10), times=1)
        pool = Pool()
        for _ in range(2):
            request = UpstreamRequest(
                method="POST", url=upstream.url + "/v1/messages", headers=(("X-Id", "7"),), body=b"{}"
            )
            flight = pool.start(request, Timeouts())
            await flight.head()
            await flight.read()
            flight.close()
            await asyncio.sleep(0.05)
        await call(upstream)
        await pool.aclose()
        return upstream.log

    cut, left, whole = scene(play)
    assert [attempt.number for attempt in (cut, left, whole)] == [1, 2, 3]
    assert (cut.fault, cut.completed, cut.closed_early, cut.closed_s is None) == ("cut_after", False, False, False)
    assert (left.fault, left.completed, left.closed_early, left.closed_s is None) == ("stall_after", False, True, False)
    assert (whole.fault, whole.completed, whole.closed_early, whole.closed_s) == (None, True, False, None)
    assert cut.headers["x-id"] == "7"
    assert sum(size for _, size in whole.sent) == whole.bytes_sent
    assert cut.arrived_s <= cut.sent[0][0] <= cut.closed_s
    assert abs(cut.arrived_at - time.time()) < 20


def test_the_log_is_bounded():
    async def play(upstream):
        for number in range(5):
            await call(upstream, body=b"%d" % number)
        return [attempt.body for attempt in upstream.log], upstream.full_log.dropped

    assert scene(play, FakeSettings(log_attempts_max=3)) == ([b"2", b"3", b"4"], 2)


def test_fixtures_are_answers_by_path(tmp_path):
    (tmp_path / "v1/chat").mkdir(parents=True)
    (tmp_path / "v1/chat/completions.json").write_bytes(b'{"fixture":1}')
    (tmp_path / "v1/chat/completions.sse").write_bytes(b"data: 1\n\ndata: 2\n\n")

    async def play(upstream):
        upstream.load(tmp_path)
        upstream.replay(tmp_path / "v1/chat/completions.json", path="/v1/messages")
        whole, streamed = await call(upstream), await call(upstream, body=b'{"stream":true}')
        other = await call(upstream, "/v1/messages")
        return (whole[1]["content-type"], whole[2]), (streamed[1]["content-type"], streamed[2]), other[2]

    assert scene(play) == (
        ("application/json", b'{"fixture":1}'),
        ("text/event-stream", b"data: 1\n\ndata: 2\n\n"),
        b'{"fixture":1}',
    )


def test_in_a_thread_for_those_who_do_not_await():
    with FakeUpstream.threaded() as upstream:
        upstream.reply(b"one", times=1)
        upstream.fail(Status(status=503), path="/bad")
        assert fetch(upstream.url + "/x") == (200, b"one")
        with pytest.raises(urllib.error.HTTPError, match="503"):
            fetch(upstream.url + "/bad")
        upstream.fail(Refuse(s=0.3))
        time.sleep(0.1)
        with pytest.raises(urllib.error.URLError, match="refused"):
            fetch(upstream.url + "/x")
        time.sleep(0.4)
        assert fetch(upstream.url + "/v1/messages", "POST", b"{}")[0] == 200
        assert [attempt.path for attempt in upstream.log] == ["/x", "/bad", "/v1/messages"]


def test_the_control_api_plans_and_takes_back_faults():
    with FakeUpstream.threaded() as upstream:
        control = upstream.url + "/__ctl"
        plan = {"fault": "status", "status": 500, "times": 2, "path": "/v1/messages"}
        assert fetch(control, "POST", json.dumps(plan).encode()) == (200, b'{"ok":true}')
        with pytest.raises(urllib.error.HTTPError, match="500"):
            fetch(upstream.url + "/v1/messages", "POST", b'{"a":"\xff"}')
        assert fetch(control, "DELETE")[0] == 200
        assert fetch(upstream.url + "/v1/messages", "POST", b"{}")[0] == 200
        log = json.loads(fetch(control + "/log")[1])
        assert [(attempt["fault"], attempt["status"]) for attempt in log["attempts"]] == [("status", 500), (None, 200)]
        assert (log["attempts"][0]["body"], log["dropped"]) == ('{"a":"\ufffd"}', 0)
        assert fetch(control + "/log", "DELETE")[0] == 200
        assert json.loads(fetch(control + "/log")[1]) == {"attempts": [], "dropped": 0}


def test_a_refusing_upstream_can_be_healed_over_the_connection_that_asked_for_it():
    with FakeUpstream.threaded() as upstream:
        control = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
        control.request("POST", "/__ctl", b'{"fault":"refuse"}')
        assert control.getresponse().read() == b'{"ok":true}'
        time.sleep(0.1)
        with pytest.raises(urllib.error.URLError, match="refused"):
            fetch(upstream.url + "/v1/messages", "POST", b"{}")
        control.request("DELETE", "/__ctl")
        assert control.getresponse().read() == b'{"ok":true}'
        control.close()
        time.sleep(0.1)
        assert fetch(upstream.url + "/v1/messages", "POST", b"{}")[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"fault":"no_such"}', "no_such"),
        (b'{"fault":"cut_after"}', "bytes"),
        (b'{"fault":"cut_after","bytes":1,"byts":2}', "byts"),
        (b'{"fault":"reset","times":"x"}', "times"),
        (b"not json", "malformed"),
    ],
)
def test_the_control_api_says_what_is_wrong(body, words):
    with FakeUpstream.threaded() as upstream, pytest.raises(urllib.error.HTTPError, match="400") as caught:
        fetch(upstream.url + "/__ctl", "POST", body)
    with caught.value as answer:
        assert words in answer.read().decode()


def test_the_control_api_knows_no_other_paths():
    with FakeUpstream.threaded() as upstream, pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(upstream.url + "/__ctl/nothing")
    caught.value.close()


def test_as_a_process_until_it_is_ended(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"from":"a file"}')
    words = [
        sys.executable,
        "-m",
        "headgate.transport.fake",
        "--port",
        "0",
        "--fixtures",
        str(tmp_path),
        "--text",
        "Hi you",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        assert fetch(url + "/x") == (200, b'{"from":"a file"}')
        answer = json.loads(fetch(url + "/v1/chat/completions", "POST", b"{}")[1])
        assert answer["choices"][0]["message"]["content"] == "Hi you"
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_bytes_that_are_no_request_end_the_connection():
    async def play(upstream):
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(b"\x16\x03\x01 what")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer, upstream.log

    assert scene(play) == (b"", [])


def test_pipelined_requests_are_answered_in_turn():
    async def play(upstream):
        upstream.reply(b"1", path="/1")
        upstream.reply(b"2", path="/2")
        upstream.fail(SlowFirstByte(s=0.02))
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        first = (await reader.readuntil(b"1\r\n\r\n1"))[-1:]
        second = (await reader.readuntil(b"1\r\n\r\n2"))[-1:]
        writer.close()
        await writer.wait_closed()
        return first + second

    assert scene(play) == b"12"
