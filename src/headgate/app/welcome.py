"""What `headgate serve` prints once clients can call: where, with which key, and a first call to paste. Plain text."""

from msgspec import Struct

LABEL_WIDTH = 10


class Welcome(Struct, frozen=True, kw_only=True):
    """What there is to say. Keys are given only when they were made just now: they are shown this once."""

    version: str
    clients: str
    """Base URL that clients call."""
    administration: str
    providers: tuple[str, ...]
    routes: tuple[str, ...]
    client_key: str = ""
    admin_key: str = ""
    notes: tuple[str, ...] = ()


def lines(welcome: Welcome) -> list[str]:
    """The whole text."""
    said = [
        f"headgate {welcome.version}",
        _line("clients", welcome.clients),
        _line("admin", f"{welcome.administration}/admin/v1"),
        _line("providers", ", ".join(welcome.providers)),
    ]
    if welcome.routes:
        said.append(_line("routes", ", ".join(welcome.routes)))
    if welcome.admin_key:
        said += ["", "The admin key, shown this once (only a hash of it is kept):", f"  {welcome.admin_key}"]
    if welcome.client_key:
        said += ["", "A client key, shown this once (headgate keys create makes more):", f"  {welcome.client_key}"]
    said += [f"note: {note}" for note in welcome.notes]
    return [*said, "", *_first_call(welcome), ""]


def _line(label: str, text: str) -> str:
    return f"  {label.ljust(LABEL_WIDTH)} {text}"


def _first_call(welcome: Welcome) -> list[str]:
    """The same call with curl and with OpenAI's SDK, ready to paste."""
    key = welcome.client_key or "$HEADGATE_KEY"
    python_key = f'"{welcome.client_key}"' if welcome.client_key else 'os.environ["HEADGATE_KEY"]'
    imports = "from openai import OpenAI" if welcome.client_key else "import os; from openai import OpenAI"
    return [
        "Try it:",
        f"  curl {welcome.clients}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        """    -d '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello"}]}'""",
        "",
        "or in Python (pip install openai):",
        f"  {imports}",
        f'  client = OpenAI(base_url="{welcome.clients}/v1", api_key={python_key})',
        '  messages = [{"role": "user", "content": "Hello"}]',
        '  print(client.chat.completions.create(model="demo/echo", messages=messages).choices[0].message.content)',
    ]


def base_url(host: str, port: int) -> str:
    """The URL to call a listener by; one that listens everywhere is reached at loopback from here."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"
