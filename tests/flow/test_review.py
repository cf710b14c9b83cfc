"""Corners where a connection's two directions meet: what is read ahead while an answer goes out, a shutdown while a client
still reads, a provider that answers or closes before it has read everything, one that does not stop talking."""

import os
import shutil
import signal
import socket
import ssl
import struct
import threading
import time
import unittest

import upstream
from harness import KEY, Gateway, Mock, Raw, chat_body, config, finish, plan, temp_dir, wait_for

CHAT = "/api/v1/chat/completions"
AHEAD = 64 * 1024  # LIMIT_PENDING_INPUT: more than this is not read ahead


def tearDownModule():
    finish()


def chat_request(body):
    return Raw.head("POST", CHAT, len(body)) + body


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.gateway = Gateway(config(cls.mock)).start()

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def test_reading_goes_on_after_much_was_sent_ahead(self):
        for stream in (False, True):
            with self.subTest(stream=stream), self.gateway.connect(timeout=10) as raw:
                raw.send(chat_request(chat_body(plan(delay=0.3), stream)))
                wait_for(lambda: self.mock.waiting == 1, "the request to reach the provider")
                raw.send(chat_request(chat_body("x" * (AHEAD + 200))))
                self.assertEqual(raw.response().status, 200)
                self.assertEqual(raw.response().status, 200)
                raw.send(chat_request(chat_body()))
                self.assertEqual(raw.response().status, 200)

    def test_no_content_has_no_length(self):
        r = self.gateway.call("OPTIONS", "/api/v1/models", key=None)
        self.assertEqual((r.status, r.field("content-length")), (204, None))

    def test_pipelined_behind_a_stream(self):
        with self.gateway.connect() as raw:
            raw.send(chat_request(chat_body(plan(chunks=50), True)) * 3 + chat_request(chat_body()))
            for _ in range(3):
                self.assertEqual(raw.response().events()[-1], "[DONE]")
            self.assertEqual(raw.response().json["object"], "chat.completion")


class Ledger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.gateway = Gateway(config(cls.mock, server={"body_timeout_ms": 300})).start()

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()

    def unfinished(self, key, body, **fields):
        with self.gateway.connect() as raw:
            raw.send(Raw.head("POST", CHAT, None if fields else 10, key, fields) + body)
            return raw.response()

    def test_a_body_that_never_comes(self):
        stranger = self.unfinished("sk-nobody-knows-this", b"{")
        self.assertEqual((stranger.status, stranger.id), (408, None))
        known = self.unfinished(KEY, b"{")
        self.assertEqual(known.status, 408)
        wait_for(lambda: self.gateway.generation(known.id).status == 200, "the ledger's row")
        self.assertEqual(self.gateway.rows("SELECT count(*) FROM generations WHERE id <> ? AND status = 408", known.id),
                         [(0,)])

    def test_a_body_that_makes_no_sense(self):
        r = self.unfinished(KEY, b"zz\r\n", **{"Transfer-Encoding": "chunked"})
        self.assertEqual((r.status, r.field("connection")), (400, "close"))
        wait_for(lambda: self.gateway.generation(r.id).status == 200, "the ledger's row")


class Drain(unittest.TestCase):
    def test_an_answer_that_is_being_read_is_not_cut(self):
        mock = Mock()
        self.addCleanup(mock.stop)
        gateway = Gateway(config(mock)).start()
        with gateway.connect() as raw:
            raw.request("POST", CHAT, chat_body(plan(text_bytes=12_000_000)))
            raw.response_head()
            wait_for(lambda: mock.waiting == 0, "the provider to be done")
            time.sleep(0.3)  # the answer waits in the gateway for this client, which does not read
            gateway.signal(signal.SIGTERM)
            time.sleep(0.3)
            total = len(raw.pending)
            while data := raw.socket.recv(1 << 20):
                total += len(data)
        self.assertGreater(total, 12_000_000)
        self.assertEqual(gateway.stop(), 0)


@unittest.skipUnless(shutil.which("openssl"), "needs the openssl program for a certificate")
class Tls(unittest.TestCase):
    def test_the_end_of_the_connection_is_announced(self):
        """A body that ends with the connection is only known to be whole when TLS says so (RFC 9112 9.8)."""
        cert, key = upstream.certificate(temp_dir(), "gateway")
        mock = Mock()
        self.addCleanup(mock.stop)
        gateway = Gateway(config(mock, server={"tls": {"cert": cert, "key": key}})).start()
        body = chat_body(plan(), True)
        head = Raw.head("POST", CHAT, len(body)).replace(b"HTTP/1.1", b"HTTP/1.0")
        context = ssl.create_default_context(cafile=cert)
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as plain:
            tls = context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
            tls.sendall(head + body)
            data = b""
            while more := tls.recv(65536):
                data += more
        self.assertTrue(data.endswith(b"data: [DONE]\n\n"), data)


def refuse_early(listener):
    """Answers as soon as the head is there and resets the connection: what else was sent stays unread."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        while b"\r\n\r\n" not in connection.recv(256):
            pass
        connection.sendall(upstream.reply({"error": {"message": "far too many tokens"}}, "413 Content Too Large",
                                          connection="close"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def dribble(request):
    """A whole stream, and then comments without end."""
    upstream.stream(*upstream.GOOD_EVENTS, last=False)(request)
    began = time.monotonic()
    try:
        while time.monotonic() - began < 20:
            request.send(upstream.coded(b": still here\n\n"))
            time.sleep(0.1)
    except OSError:
        pass
    dribbled.append(time.monotonic() - began)
    return upstream.CLOSE


dribbled = []


class Providers(unittest.TestCase, upstream.Expectations):
    def test_an_answer_before_the_request_was_read(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.addCleanup(listener.close)
        threading.Thread(target=refuse_early, args=(listener,), daemon=True).start()
        gateway = Gateway(config(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")).start()
        for _ in range(3):
            r = gateway.chat("x" * 8_000_000)
            self.assertEqual(r.status, 413, r)
            self.assertIn("far too many tokens", r.text)

    def test_talk_after_the_end_is_not_listened_to_for_long(self):
        provider = upstream.Provider({"dribble": dribble})
        self.addCleanup(provider.stop)
        gateway = Gateway(upstream.config(provider)).start()
        r = gateway.chat(upstream.fault("dribble"), stream=True)
        self.assertEqual(r.events()[-1], "[DONE]")
        wait_for(lambda: dribbled, "the gateway to close")
        self.assertLess(dribbled[0], 10)


if __name__ == "__main__":
    unittest.main()
