"""What the dashboard brings along that is not ours: each file is the one that is written down, with its licence."""

import hashlib
import tomllib

from headgate.server.dashboard.assets import ASSETS
from headgate.server.dashboard.rendering import HERE

VENDOR = HERE / "assets" / "vendor"


def test_every_vendored_file_is_the_one_that_is_written_down():
    written = tomllib.loads((VENDOR / "vendored.toml").read_text())
    there = {path.name: path for path in VENDOR.iterdir() if path.suffix in (".js", ".css")}
    assert there.keys() == written.keys()
    for name, about in written.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == about["sha256"], name
        assert about["version"][0].isdigit()
        assert about["integrity"].startswith("sha512-")
        assert (VENDOR / f"{name.partition('.')[0]}.LICENSE").is_file()


def test_scripts_of_ours_load_nothing_from_elsewhere_and_put_in_no_markup():
    for path in (HERE / "assets").glob("*.js"):
        text = path.read_text()
        for word in ("http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"):
            assert word not in text, f"{path.name}: {word}"


def test_assets_are_addressed_by_their_contents():
    (folder,) = {name.partition("/")[0] for name in ASSETS}
    assert len(folder) == 12
    assert ASSETS[f"{folder}/headgate.css"].media_type == "text/css; charset=utf-8"
    assert f"{folder}/vendored.toml" not in ASSETS
