"""Write the plot library of the leaderboard page: `python scripts/vendor_plots.py`.

Downloads the npm archives pinned in `vendor_plots.json` beside this file, checks the SHA-256 of each, and writes
into `leaderboard/site/vendor/` the minified UMD builds that the page inlines, and `LICENSES.txt` with the licence
text of every package that is compiled into them (packages that share one text are listed above it). The registry is
npm's own, or the one named by the environment variable `NPM_CONFIG_REGISTRY`. To move to a newer version: edit the
pins, run this, run the browser tests.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_suffix(".json")
VENDOR = Path(__file__).parents[1] / "leaderboard" / "site" / "vendor"
LICENCE_FILE = re.compile(r"^package/(licen[cs]e|copying)[^/]*$", re.IGNORECASE)


def download(pin: dict[str, Any]) -> bytes:
    """The npm archive of one pinned package, checked."""
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    url = f"{registry}/{pin['name']}/-/{pin['name']}-{pin['version']}.tgz"
    with urllib.request.urlopen(url, timeout=120) as answer:
        archive: bytes = answer.read()
    found = hashlib.sha256(archive).hexdigest()
    if found != pin["sha256"]:
        raise SystemExit(f"{url}: SHA-256 is {found}, pinned is {pin['sha256']}")
    return archive


def members(archive: bytes, wanted: re.Pattern[str]) -> list[str]:
    """Texts of the members whose name matches `wanted`."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as packed:
        streams = [packed.extractfile(member) for member in packed.getmembers() if wanted.match(member.name)]
        return [stream.read().decode() for stream in streams if stream is not None]


def main() -> None:
    """Download, check, write."""
    holders: dict[str, list[str]] = {}
    VENDOR.mkdir(parents=True, exist_ok=True)
    for pin in json.loads(PINS.read_text()):
        archive = download(pin)
        if "file" in pin:
            (script,) = members(archive, re.compile(re.escape(f"package/{pin['file']}") + "$"))
            script = re.sub(r"\n//# sourceMappingURL=.*\s*$", "\n", script)
            if re.search(r"</script|<!--", script, re.IGNORECASE):
                raise SystemExit(f"{pin['name']}: the build cannot be put inside a script element")
            (VENDOR / Path(pin["file"]).name).write_text(script)
        (licence,) = members(archive, LICENCE_FILE)
        title = f"{pin['name']} {pin['version']} ({pin['licence']})"
        text = "\n".join(line.rstrip() for line in licence.strip().splitlines())
        holders.setdefault(text, []).append(title)
        sys.stderr.write(f"{title}\n")
    rule = "\n\n" + "-" * 80 + "\n\n"
    (VENDOR / "LICENSES.txt").write_text(
        rule.join("\n".join(titles) + "\n\n" + text for text, titles in holders.items()) + "\n"
    )


if __name__ == "__main__":
    main()
