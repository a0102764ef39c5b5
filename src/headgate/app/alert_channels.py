"""The two ways that alerts go out: a signed webhook, and e-mail. Each waits for the network: called in threads.

Where they go is the operator's configuration alone. A webhook carries `headgate-signature: t=SECONDS,v1=HEX`, the
HMAC-SHA-256 of `SECONDS.BODY` with the shared secret, and the same `headgate-alert-id` whenever it is sent again.
"""

import hashlib
import hmac
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from headgate import __version__
from headgate.policies.alerting import Alert

if TYPE_CHECKING:
    from headgate.app.config_models import Alerts, Email, Webhook

TIMEOUT_S: Final = 10.0
Send = Callable[[str, bytes], None]
"""Takes the id and the body, and raises `Undelivered`."""
_decode = msgspec.json.Decoder(Alert).decode


class Undelivered(Exception):
    """It did not arrive, or nobody can say that it did."""


def channels(alerts: "Alerts") -> Mapping[str, Send]:
    """Those that are configured, by name."""
    found: dict[str, Send] = {}
    if alerts.webhook is not None:
        webhook = alerts.webhook
        found["webhook"] = lambda id, body: post(webhook, id, body)
    if alerts.email is not None:
        email = alerts.email
        found["email"] = lambda id, body: mail(email, id, body)
    return found


def signature(secret: str, at_s: int, body: bytes) -> str:
    """What a webhook is signed with."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def post(webhook: "Webhook", id: str, body: bytes) -> None:
    """No redirect is followed: a signed message goes where the operator said, and nowhere else."""
    parts = urlsplit(webhook.url)
    headers = {
        "content-type": "application/json",
        "user-agent": f"headgate/{__version__}",
        "headgate-alert-id": id,
        "headgate-signature": signature(webhook.secret.reveal(), int(time.time()), body),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as fault:
        raise Undelivered(f"{type(fault).__name__}: {fault}") from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise Undelivered(f"answered with {status}")


def mail(email: "Email", id: str, body: bytes) -> None:
    """One message to all who are named."""
    alert = _decode(body)
    message = EmailMessage()
    message["From"], message["To"] = email.sender, ", ".join(email.to)
    message["Subject"] = " ".join(f"[headgate] {alert.text}".split())[:200]
    message["Message-ID"] = f"<{hashlib.sha256(id.encode()).hexdigest()[:32]}@headgate>"
    message["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    details = "".join(f"{name}: {value}\n" for name, value in alert.data.items())
    message.set_content(f"{alert.text}\n\n{details}")
    try:
        with _connected(email) as server:
            if email.user:
                server.login(email.user, email.password.reveal() if email.password else "")
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException) as fault:
        raise Undelivered(f"{type(fault).__name__}: {fault}") from None
    if refused:
        raise Undelivered(f"refused for {', '.join(refused)}")


def _connected(email: "Email") -> smtplib.SMTP:
    if email.security == "tls":
        return smtplib.SMTP_SSL(email.host, email.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    server = smtplib.SMTP(email.host, email.port, timeout=TIMEOUT_S)
    if email.security == "starttls":
        server.starttls(context=ssl.create_default_context())
    return server
