"""An OpenAI-compatible server of a few lines, for tests of the remote backend: what a user's text names is what it does."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 16}}
EMBED_USAGE = {"prompt_tokens": 5, "total_tokens": 5}


class OpenAIServer:
    """`requests` holds (path, headers, body) of every call. Use it as a context manager."""

    def __init__(self):
        self.requests = []
        self.hung_up = threading.Event()                    # a client went away while an answer was streamed
        outer = self

        class Handler(_Handler):
            server_of = outer

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server_of.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if self.path.endswith("/embeddings"):
            vectors = [[1.0, 0.0, float(len(text))] for text in body["input"]]
            rows = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
            self.answer(200, {"data": rows[::-1], "usage": EMBED_USAGE})       # any order is allowed
        else:
            self.complete(body)

    def answer(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def complete(self, body):
        text = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        word, _, rest = text.partition(" ")
        if word == "status":
            self.answer(int(rest), {"error": {"message": f"This is status {rest}.", "type": "some_error"}})
        elif word == "too-long":
            self.answer(400, {"error": {"message": "This model's maximum context length is 10 tokens.",
                                        "code": "context_length_exceeded"}})
        elif word == "no-json":
            self.send_response(502)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"<html")
        else:
            self.stream(word, body)

    def stream(self, word, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            getattr(self, "do_" + word.replace("-", "_"), self.do_words)(body)
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.server_of.hung_up.set()

    def event(self, document):
        data = f"data: {document if isinstance(document, str) else json.dumps(document)}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def delta(self, delta, finish=None):
        self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def finish(self, reason):
        self.delta({}, reason)
        self.event({"choices": [], "usage": USAGE})
        self.event("[DONE]")

    def do_words(self, body):
        for word in ("Paris ", "is ", "a ", "city."):
            self.delta({"content": word})
            time.sleep(0.05)
        self.finish("stop")

    def do_tool(self, body):
        self.delta({"tool_calls": [{"index": 0, "id": "call_7", "type": "function",
                                    "function": {"name": body["tools"][0]["function"]["name"], "arguments": ""}}]})
        for part in ('{"city": ', '"Oslo", "unit": "celsius", ', '"days": 3}'):
            self.delta({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
        self.finish("tool_calls")

    def do_breaks(self, body):
        self.delta({"content": "Half an "})
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)
        raise BrokenPipeError

    def do_fails(self, body):
        self.delta({"content": "Half an "})
        self.event({"error": {"message": "The device is on fire.", "code": 500}})

    def do_no_usage(self, body):
        self.delta({"content": "Free of charge."}, "stop")
        self.event("[DONE]")

    def do_hangs(self, body):
        while True:                                         # until the client has gone
            self.delta({"content": "."})
            time.sleep(0.05)

    def do_sleeps(self, body):
        time.sleep(5)
        self.finish("stop")
