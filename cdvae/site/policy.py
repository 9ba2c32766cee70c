"""The Content-Security-Policy of each page: nothing is asked of any other place."""

import base64
import hashlib
import re

SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)([^>]*)>(.*?)</script>", re.DOTALL)
FIXED = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)


def hashes(html: str) -> list[str]:
    """The scripts that stand in the page, as a policy allows them."""
    found = [text for about, text in SCRIPT.findall(html) if "json" not in about]
    digests = [hashlib.sha256(text.encode()).digest() for text in dict.fromkeys(found)]
    return [f"'sha256-{base64.b64encode(each).decode()}'" for each in digests]


def of(html: str) -> str:
    """The policy of a page: its own scripts, WebAssembly, and files of the site."""
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *hashes(html)])
    return f"{FIXED}; script-src {scripts}"


def put(html: str) -> str:
    """The page with its policy, before anything that it rules."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{of(html)}">'
    head, found, rest = html.partition('<meta charset="utf-8">')
    if not found:
        head, found, rest = html.partition("<head>")
    return f"{head}{found}\n    {meta}{rest}"
