"""Where the pages of an application come from: another origin than the presence server, with a strict policy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hereabouts.testing.issuer import Issuer

KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' {server} {socket}; base-uri 'none'; form-action 'none'; report-uri /violations"
)


class Site(ThreadingHTTPServer):
    """Serves a folder, signs tokens at `/token?user=ada&seconds=5`, and keeps what browsers report."""

    daemon_threads = True

    def __init__(self, folder: Path, server: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.policy = POLICY.format(server=server, socket=server.replace("http", "ws"))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.issuer = Issuer("HS256", kid=None)
        self.tokens_signed = 0
        self.violations: list[str] = []
        self.replaced: dict[str, str] = {}
        """Pages that are not as they stand in the folder, by path."""

    def sign(self, user: str, seconds: float) -> str:
        """A token for `user` that lives so long."""
        self.tokens_signed += 1
        now = int(time.time())
        return self.issuer.sign({"sub": user, "iat": now, "exp": now + int(seconds)})


class Answers(BaseHTTPRequestHandler):
    """One request."""

    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file, or a token."""
        url = urlsplit(self.path)
        if url.path == "/token":
            query = parse_qs(url.query)
            self._answer(200, "text/plain", self.server.sign(query["user"][0], float(query["seconds"][0])).encode())
            return
        file = self.server.folder / url.path.lstrip("/")
        if url.path in self.server.replaced:
            self._answer(200, "text/html", self.server.replaced[url.path].encode())
        elif file.is_file() and file.suffix in KINDS:
            self._answer(200, KINDS[file.suffix], file.read_bytes())
        else:
            self._answer(404, "text/plain", b"")

    def do_POST(self) -> None:
        """A report of something that the policy does not allow."""
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        self.server.violations.append(body.decode())
        self._answer(204, "text/plain", b"")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        # `no-store` would keep the page out of the back-forward cache.
        self.send_header("cache-control", "no-cache")
        self.send_header("content-security-policy", self.server.policy)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test says what it needs itself."""


@contextmanager
def site_of(folder: Path, server: str) -> Iterator[Site]:
    """A site that runs."""
    site = Site(folder, server)
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
