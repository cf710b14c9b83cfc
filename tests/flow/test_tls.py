"""HTTPS to clients: what holds for plain connections holds here, where bytes also wait inside the TLS engine."""

import os
import shutil
import socket
import ssl
import subprocess
import time
import unittest

from harness import Gateway, Mock, Raw, chat_body, config, finish, plan, temp_dir, wait_for

CHAT = "/api/v1/chat/completions"


@unittest.skipUnless(shutil.which("openssl"), "needs the openssl program for a certificate")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = temp_dir()
        cls.cert, cls.key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", cls.key, "-out", cls.cert],
                       check=True, capture_output=True)
        cls.mock = Mock()
        cls.gateway = Gateway(config(cls.mock, server={
            "tls": {"cert": cls.cert, "key": cls.key}, "header_timeout_ms": 1000, "body_timeout_ms": 1000})).start()

    @classmethod
    def tearDownClass(cls):
        cls.mock.stop()
        finish()

    def connect(self, **options):
        context = ssl.create_default_context(cafile=self.cert)
        for name, value in options.items():
            setattr(context, name, value)
        raw = Raw(self.gateway.port)
        raw.socket = context.wrap_socket(raw.socket, server_hostname="localhost")
        return raw

    def test_keep_alive_whole_and_streamed(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.connect(minimum_version=version, maximum_version=version) as raw:
                for stream in (False, True, False):
                    raw.request("POST", CHAT, chat_body(plan(text="over TLS", chunks=20), stream))
                    r = raw.response()
                    self.assertEqual(r.status, 200)
                    self.assertIn("over TLS", r.text)

    def test_pipelined_in_one_record(self):
        with self.connect() as raw:
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 300)
            for _ in range(300):
                self.assertEqual(raw.response().status, 200)

    def test_large_bodies_both_ways(self):
        text = "y" * 3_000_000
        with self.connect() as raw:
            for _ in range(2):
                raw.request("POST", CHAT, chat_body(text))
                self.assertEqual(raw.response().status, 200)
                self.assertEqual(self.mock.seen[-1][1]["messages"][0]["content"], text)
                raw.request("POST", CHAT, chat_body(plan(text_bytes=3_000_000)))
                self.assertEqual(len(raw.response().json["choices"][0]["message"]["content"]), 3_000_000)

    def test_body_in_small_records(self):
        body = chat_body("small records")
        with self.connect() as raw:
            raw.send(raw.head("POST", CHAT, len(body)))
            for i in range(len(body)):
                raw.send(body[i:i + 1])
            self.assertEqual(raw.response().status, 200)

    def test_slow_body_is_ended(self):
        with self.connect() as raw:
            raw.send(raw.head("POST", CHAT, 100) + b"{")
            self.assertEqual(raw.response().status, 408)
            self.assertTrue(raw.is_closed())

    def test_no_handshake_is_ended(self):
        for first in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            with self.subTest(first), Raw(self.gateway.port) as raw:
                raw.send(first)
                began = time.monotonic()
                raw.rest()
                self.assertLess(time.monotonic() - began, 10)

    def test_old_versions_are_refused(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1).close()

    def test_client_gone_mid_stream(self):
        self.mock.gone_event.clear()
        raw = self.connect()
        raw.request("POST", CHAT, chat_body(plan(chunks=1000, gap=30), True))
        raw.response_head()
        raw.chunk()
        raw.socket.shutdown(socket.SHUT_RDWR)
        raw.close()
        self.assertTrue(self.mock.gone_event.wait(10), "the provider's connection stays open")
        wait_for(lambda: self.mock.waiting == 0, "the mock to be done")
