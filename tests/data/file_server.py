"""A real HTTP server on this machine, which can cut, corrupt, refuse and forget ranges."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `files` by path. What it does wrong is set by its fields; `asked` are the ranges that it was asked for."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.asked: list[str | None] = []
        self.cuts: list[int] = []  # the next answers end after so many bytes
        self.corrupt = 0  # so many answers have their first byte changed
        self.refuse = 0  # so many answers are 503
        self.ranges = True
        self.url = ""

    def answer(self, handler):
        path, wanted = handler.path, handler.headers.get("Range")
        self.asked.append(wanted)
        if self.refuse:
            self.refuse -= 1
            handler.send_error(503)
            return
        if path not in self.files:
            handler.send_error(404)
            return
        content, start = self.files[path], 0
        if wanted and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        body = content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.corrupt and body:
            self.corrupt -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        if self.cuts:
            body = body[: self.cuts.pop(0)]
            handler.close_connection = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            handler.wfile.write(body)


@contextlib.contextmanager
def serving():
    """A server for as long as the context lasts."""
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
