"""Stripe's API as far as the gateway calls it, over HTTP: what is asked of it is kept, what it answers is set."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import stripe

SECRET_KEY = "sk_test_" + "k" * 24
WEBHOOK_SECRET = "whsec_" + "w" * 32


class Stripe:
    """What a test sees of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answers: list[object] = []
        """What the next payments come to: a status, or an error's status and body; empty: `succeeded`."""
        self.lost = 0
        """How many answers about payments get lost on their way, the payments being made."""
        self.page_status = 200
        self.cards = ["pm_1"]
        self.payments: dict[str, tuple[int, dict[str, object]]] = {}
        """By idempotency key, each made once."""

    def answer(self, method: str, path: str, form: dict[str, str], key: str) -> tuple[int, dict[str, object]]:
        self.asked.append((method, path, form))
        if path == "/v1/checkout/sessions":
            if self.page_status != 200:
                return self.page_status, {"error": {"type": "api_error", "message": "No page today"}}
            return 200, {"id": "cs_1", "object": "checkout.session", "url": f"https://checkout.test/{key}"}
        if path.endswith("/payment_methods"):
            cards = [{"id": card, "object": "payment_method", "type": "card"} for card in self.cards]
            return 200, {"object": "list", "data": cards, "has_more": False, "url": path}
        assert path == "/v1/payment_intents"
        if key not in self.payments:
            failed = self.pay(form, key)
            if failed is not None:
                return failed
        if self.lost:
            self.lost -= 1
            return 500, {"error": {"type": "api_error", "message": "lost"}}
        return self.payments[key]

    def pay(self, form: dict[str, str], key: str) -> tuple[int, dict[str, object]] | None:
        said = self.answers.pop(0) if self.answers else "succeeded"
        if isinstance(said, tuple):
            return said
        amount = int(form["amount"]) if said == "succeeded" else 0
        self.payments[key] = (
            200,
            {"id": "pi_1", "object": "payment_intent", "status": said, "amount_received": amount, "currency": "usd"},
        )
        return None

    @property
    def charged(self) -> list[int]:
        return [int(str(body["amount_received"])) for _, body in self.payments.values()]


@contextmanager
def running() -> Generator[tuple[Stripe, str]]:
    double = Stripe()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["authorization"] == f"Bearer {SECRET_KEY}"
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            answered = double.answer(
                self.command, urlsplit(self.path).path, form, self.headers["idempotency-key"] or ""
            )
            data = json.dumps(answered[1]).encode()
            self.send_response(answered[0])
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield double, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def event(type: str, account: str, order: str, **about: object) -> bytes:
    """An event as Stripe sends it, with what matters of it."""
    named = {"headgate_account": account, "headgate_order": order}
    thing = {"id": "obj_1", "object": "x", "currency": "usd", "metadata": named, "livemode": False, **about}
    told = {"id": "evt_1", "object": "event", "type": type, "data": {"object": thing}, "created": int(time.time())}
    return json.dumps(told).encode()


def signed(body: bytes, secret: str = WEBHOOK_SECRET, age_s: int = 0) -> str:
    return stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()) - age_s)
