"""A door before a service: it counts what passes, remembers the bytes of each answer, and does what a busy service does.

What the last user message of a request says decides: `[busy]` is turned away once with 429 and Retry-After, `[always busy]`
each time; of `[cut]` the first answer breaks in the middle, of `[half-closed]` the first answer ends in the middle as if it
were whole. All else comes from the service, in the pieces in which it comes.
"""

import http.client
import http.server
import json
import threading
import urllib.parse


class Gate:
    def __init__(self, service: str):
        self.service = urllib.parse.urlsplit(service)
        self.lock = threading.Lock()
        self.calls: list[str] = []
        self.bodies: dict[str, tuple[str, dict, bytes]] = {}
        self.met: set[str] = set()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                gate.answer(self, self.rfile.read(int(self.headers.get("content-length", 0))))

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def new_calls(self) -> int:
        with self.lock:
            count = len(self.calls)
            self.calls.clear()
            return count

    def first(self, word: str, body: bytes) -> bool:
        """Is it the first request with this word in it?"""
        key = word + body.decode()
        with self.lock:
            new = key not in self.met
            self.met.add(key)
        return new

    def answer(self, to: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        text = body.decode(errors="replace")
        with self.lock:
            self.calls.append(text)
        if "[always busy]" in text or "[busy]" in text and self.first("busy", body):
            said = json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "busy"}}).encode()
            to.send_response(429)
            for name, value in [("retry-after", "1"), ("content-type", "application/json"), ("content-length", len(said))]:
                to.send_header(name, str(value))
            to.end_headers()
            to.wfile.write(said)
            return
        service = http.client.HTTPConnection(self.service.netloc, timeout=30)
        headers = {n: v for n, v in to.headers.items() if n.lower() not in ("host", "connection", "accept-encoding")}
        # Its answers end with the connection: read1 of older Pythons does not count what is left of one.
        service.request(to.command, to.path, body, headers | {"connection": "close"})
        came = service.getresponse()
        cut = "[cut]" in text and self.first("cut", body)
        half = "[half-closed]" in text and self.first("half-closed", body)
        to.protocol_version = "HTTP/1.1"
        to.close_connection = True
        to.send_response(came.status)
        for name, value in came.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                to.send_header(name, value)
        to.send_header("connection", "close")
        if not half:
            to.send_header("transfer-encoding", "chunked")
        to.end_headers()
        whole = b""
        while piece := came.read1(1 << 16):
            whole += piece
            if not cut and not half:
                to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if cut or half:
            some = whole[: len(whole) // 2]
            to.wfile.write(b"%x\r\n%s\r\n" % (len(some), some) if cut else some)
            return
        to.wfile.write(b"0\r\n\r\n")
        with self.lock:
            self.bodies[text] = (to.path, dict(to.headers.items()), whole)
