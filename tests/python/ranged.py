"""Files of a folder over http on this machine, one range at a time."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Ranged(BaseHTTPRequestHandler):
    """Files with ranges. Subclasses say what tells a version, and change contents."""

    protocol_version = "HTTP/1.1"
    folder: Path
    etag: str | None = None

    def content(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        if not (self.folder / name).is_file():
            self.send_error(404)
            return
        data = self.content(name)
        first, last = self.headers["Range"].removeprefix("bytes=").split(",")[0].split("-")
        start = int(first) if first else len(data) - int(last)
        end = min(int(last) + 1 if first and last else len(data), len(data))
        self.send_response(206)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        if self.etag:
            self.send_header("ETag", self.etag)
        self.end_headers()
        self.wfile.write(data[start:end])

    def log_message(self, *_: object) -> None:
        pass


class Served:
    """A server of a folder, for as long as it is entered; `handler` is a class of its own."""

    def __init__(self, handler: type[Ranged], folder: Path) -> None:
        self.handler = type(handler.__name__, (handler,), {"folder": folder})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)

    def __enter__(self) -> "Served":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}.root"
