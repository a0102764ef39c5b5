"""What a start prints."""

import pytest

from headgate.app.welcome import Welcome, base_url, lines


def test_the_first_start_shows_its_keys_and_a_first_call() -> None:
    text = "\n".join(
        lines(
            Welcome(
                version="1.2.3",
                clients="http://127.0.0.1:8080",
                administration="http://127.0.0.1:8081",
                providers=("openai", "demo"),
                routes=("smart",),
                client_key="sk-hg_client",
                admin_key="sk-hg-admin_1",
                notes=("something is odd",),
            )
        )
    )
    assert text == (
        "headgate 1.2.3\n"
        "  clients    http://127.0.0.1:8080\n"
        "  admin      http://127.0.0.1:8081/admin/v1\n"
        "  providers  openai, demo\n"
        "  routes     smart\n"
        "\n"
        "The admin key, shown this once (only a hash of it is kept):\n"
        "  sk-hg-admin_1\n"
        "\n"
        "A client key, shown this once (headgate keys create makes more):\n"
        "  sk-hg_client\n"
        "note: something is odd\n"
        "\n"
        "Try it:\n"
        "  curl http://127.0.0.1:8080/v1/chat/completions \\\n"
        '    -H "Authorization: Bearer sk-hg_client" -H "Content-Type: application/json" \\\n'
        """    -d '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello"}]}'\n"""
        "\n"
        "or in Python (pip install openai):\n"
        "  from openai import OpenAI\n"
        '  client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="sk-hg_client")\n'
        '  messages = [{"role": "user", "content": "Hello"}]\n'
        '  print(client.chat.completions.create(model="demo/echo", messages=messages).choices[0].message.content)\n'
    )


def test_a_later_start_shows_no_key() -> None:
    said = lines(Welcome(version="1", clients="http://h", administration="http://a", providers=("demo",), routes=()))
    text = "\n".join(said)
    assert "shown this once" not in text
    assert 'Bearer $HEADGATE_KEY"' in text
    assert 'os.environ["HEADGATE_KEY"]' in text


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("gateway.example.com", "http://gateway.example.com:80"),
    ],
)
def test_a_listener_has_a_url_to_call(host: str, url: str) -> None:
    assert base_url(host, 80) == url
