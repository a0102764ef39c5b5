"""The administration does what its OpenAPI document says, whatever it is sent: schemathesis looks for a call that is
answered with a 5xx, or otherwise than documented.

One of its checks is left out: that what fits the document is accepted. A key whose end has passed fits, and is refused.
"""

import os
import subprocess
from pathlib import Path

import pytest

from headgate.server.admin.application import OPENAPI_PATH
from tests.acceptance.beside import frameworks
from tests.acceptance.running import gateway

pytestmark = pytest.mark.frameworks


def test_the_administration_keeps_to_its_document(tmp_path: Path):
    with gateway(tmp_path / "gateway", {}) as running:
        done = subprocess.run(
            [
                *(frameworks() / "schemathesis", "run", running.admin_url + OPENAPI_PATH),
                *("--header", f"Authorization: Bearer {running.environment['HEADGATE_ADMIN_KEY']}"),
                *("--max-examples", "20", "--generation-deterministic", "--no-color"),
                *("--exclude-checks", "positive_data_acceptance"),
            ],
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

    assert done.returncode == 0, done.stdout + done.stderr
