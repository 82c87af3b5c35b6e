"""A service that speaks OpenAI's dialect and answers at once: for measuring, where a real one would only add its own time.

It counts calls and tokens (four bytes each, as a rule of thumb has it). What it says depends on nothing but the question.
"""

import hashlib
import http.server
import json
import threading


class Service:
    def __init__(self, patience: float = 0.0):
        self.lock = threading.Lock()
        self.calls = self.tokens = 0
        # Seconds between the pieces of an answer: somebody who is killed meanwhile is killed while it comes.
        self.patience = threading.Event(), patience
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                pieces = service.answer(json.loads(body), len(body))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream" if len(pieces) > 1 else "application/json")
                self.send_header("content-length", str(sum(map(len, pieces))))
                self.end_headers()
                for piece in pieces:
                    event, seconds = service.patience
                    event.wait(seconds)
                    self.wfile.write(piece)
                    self.wfile.flush()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass  # a client that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, asked: dict, size: int) -> list[bytes]:
        mark = hashlib.sha256(json.dumps(asked["messages"]).encode()).hexdigest()[:16]
        words = json.dumps({"findings": [], "summary": f"read {mark}"}) if "findings" in json.dumps(asked) else f"read {mark}"
        usage = {"prompt_tokens": size // 4, "completion_tokens": len(words) // 4, "total_tokens": (size + len(words)) // 4}
        with self.lock:
            self.calls += 1
            self.tokens += usage["total_tokens"]
        if not asked.get("stream"):
            message = {"role": "assistant", "content": words}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return [json.dumps({"id": mark, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()]
        half = len(words) // 2
        events = [
            {"choices": [{"index": 0, "delta": {"content": words[:half]}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {"content": words[half:]}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ]
        return [b"data: %s\n\n" % json.dumps(event).encode() for event in events] + [b"data: [DONE]\n\n"]

    def new_calls(self) -> int:
        with self.lock:
            count, self.calls = self.calls, 0
            return count
