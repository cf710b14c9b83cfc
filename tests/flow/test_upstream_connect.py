"""The way to a provider: refused connections, names, TLS with certificates of our own, proxies, and connections that the
provider closes just when they are used again.
"""

import base64
import select
import socket
import threading
import time
import unittest

import harness
from harness import Gateway, wait_for
from upstream import (CLOSE, GOOD_EVENTS, HANG, KEEP, STREAM_HEAD, Expectations, Provider, both, certificate, coded, config, endpoint,
                      fault, good, provider_entry, raw, sse, stream, tls_server)

UNAVAILABLE = (502, "provider_unavailable")


def free_port():
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def model(name, provider):
    return {"id": "test/" + name, "endpoints": [endpoint(provider)]}


class Unreachable(Expectations, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.no_tls = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=cls.answer_in_clear, daemon=True).start()
        # A listener whose queue is full: SYNs are dropped, as by a firewall.
        cls.deaf = socket.socket()
        cls.deaf.bind(("127.0.0.1", 0))
        cls.deaf.listen(0)
        cls.filler = [socket.socket() for _ in range(4)]
        for s in cls.filler:
            s.setblocking(False)
            s.connect_ex(cls.deaf.getsockname())
        urls = {"refusing": f"http://127.0.0.1:{free_port()}/v1", "unknown": "http://does-not-exist.invalid/v1",
                "secure": f"https://127.0.0.1:{cls.no_tls.getsockname()[1]}/v1",
                "deaf": f"http://127.0.0.1:{cls.deaf.getsockname()[1]}/v1"}
        cls.gateway = Gateway(config(cls.provider, [model(n, n) for n in urls],
                                     [provider_entry(u, n, connect_timeout_ms=800) for n, u in urls.items()])).start()

    @classmethod
    def tearDownClass(cls):
        cls.provider.stop()
        cls.deaf.close()
        cls.no_tls.close()

    @classmethod
    def answer_in_clear(cls):
        while True:
            try:
                connection, _ = cls.no_tls.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def both_ways(self, name, status, error_type, said):
        for streamed in (False, True):
            with self.subTest(stream=streamed):
                r = self.gateway.chat(model="test/" + name, stream=streamed)
                row = self.failed(r, status, error_type, said, provider=name.title())
                self.assertEqual([p["status"] for p in row["provider_responses"]], [None])
                self.assertNotIn("provider_code", r.json["error"]["metadata"])

    def test_refused(self):
        self.both_ways("refusing", *UNAVAILABLE, "Refusing cannot connect to 127.0.0.1:[0-9]+: Connection refused")

    def test_unknown_name(self):
        self.both_ways("unknown", *UNAVAILABLE, "Unknown cannot resolve does-not-exist.invalid")

    def test_no_tls_spoken_there(self):
        self.both_ways("secure", *UNAVAILABLE, "Secure TLS failed")

    def test_no_connection_in_time(self):
        began = time.monotonic()
        self.both_ways("deaf", 504, "timeout", "Deaf no connection within 800 ms")
        self.assertTrue(1.5 < time.monotonic() - began < 15)


class Stale(Expectations, unittest.TestCase):
    """Kept connections that end."""

    def setUp(self):
        self.provider = Provider({"once": self.once, "once-reset": self.once_reset, "half": self.half, "mute": raw(then=HANG)})
        self.gateway = Gateway(config(self.provider, server={"workers": 1})).start()

    def tearDown(self):
        self.no_leak()
        self.provider.stop()
        self.gateway.stop()

    @staticmethod
    def once(request):
        """The connection is closed when its second request arrives; a fresh one works."""
        return good(request) if request.number == 1 else CLOSE

    @staticmethod
    def once_reset(request):
        return good(request) if request.number == 1 else "reset"

    @staticmethod
    def half(request):
        return good(request) if request.number == 1 else raw(b"HTTP/1.1 200 OK\r\nCont", then=CLOSE)(request)

    def test_closed_when_used_again(self):
        for name in ("once", "once-reset"):
            for streamed in (False, True):
                with self.subTest(name, stream=streamed):
                    self.answered(self.gateway.chat("warm up"))
                    before = len(self.provider.requests)
                    self.answered(self.gateway.chat(fault(name), stream=streamed))
                    self.assertEqual(len(self.provider.requests), before + 2)
                    self.assertEqual(self.provider.requests[-1].number, 1)

    def test_closed_while_idle_is_noticed(self):
        self.provider.answers["bye"] = lambda request: (good(request), CLOSE)[1]
        self.answered(self.gateway.chat(fault("bye")))
        wait_for(lambda: self.provider.open == 0, "the provider's close")
        time.sleep(0.1)
        before = len(self.provider.requests)
        self.answered(self.gateway.chat("next"))
        self.assertEqual(len(self.provider.requests), before + 1, "the closed connection was used")

    def test_closed_right_behind_the_answer(self):
        """The close and the next request cross: no request is lost, and none is sent twice."""
        self.provider.answers["closing"] = lambda request: (good(request), CLOSE)[1]
        with self.gateway.connect() as client:
            for i in range(100):
                client.request("POST", "/api/v1/chat/completions", harness.chat_body(fault("closing", f"no {i}."), bool(i % 2)))
                self.assertEqual(client.response().status, 200)
        for i in range(100):
            self.assertEqual(len(self.provider.seen(f"no {i}.")), 1)

    def test_many_idle_ones_closed_at_once(self):
        hold = threading.Event()
        self.provider.answers["held"] = lambda request: (hold.wait(20), good(request))[1]
        threads = [threading.Thread(target=self.gateway.chat, args=(fault("held"),)) for _ in range(20)]
        for t in threads:
            t.start()
        wait_for(lambda: len(self.provider.seen("fault=held")) == 20, "20 requests at once")
        hold.set()
        for t in threads:
            t.join()
        for i in range(30):  # each of the 20 is found closed when used again, each request is answered nevertheless
            self.answered(self.gateway.chat(fault("once")))

    def test_no_retry_after_a_byte(self):
        self.answered(self.gateway.chat("warm up"))
        before = len(self.provider.requests)
        self.failed(self.gateway.chat(fault("half")), *UNAVAILABLE, "in the middle of the response head")
        self.assertEqual(len(self.provider.requests), before + 1)

    def test_no_retry_after_a_timeout(self):
        self.answered(self.gateway.chat("warm up"))
        before = len(self.provider.requests)
        self.failed(self.gateway.chat(fault("mute"), model="test/hasty"), 504, "timeout", "no answer", provider="Hasty")
        self.assertEqual(len(self.provider.requests), before + 1)

    def test_retried_once_only(self):
        self.provider.answers["never"] = raw(then=CLOSE)
        self.answered(self.gateway.chat("warm up"))
        before = len(self.provider.requests)
        self.failed(self.gateway.chat(fault("never")), *UNAVAILABLE, "closed the connection without an answer")
        self.assertEqual(len(self.provider.requests), before + 2)

    def test_connections_are_given_up_when_idle(self):
        g = Gateway(config(self.provider, server={"workers": 1}, upstream={"pool_idle_ms": 300})).start()
        g.chat("one")
        number = self.provider.requests[-1].connection_number
        began = time.monotonic()
        wait_for(lambda: number in self.provider.closed_at, "the idle connection's end")
        self.assertLess(time.monotonic() - began, 3)
        g.stop()

    def test_bytes_unasked_on_an_idle_connection(self):
        def late(request):
            good(request)
            time.sleep(0.1)
            request.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            return KEEP
        self.provider.answers["late"] = late
        self.answered(self.gateway.chat(fault("late")))
        time.sleep(0.3)
        self.answered(self.gateway.chat("next"))


class Tls(Expectations, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = harness.temp_dir()
        cert, key = certificate(directory, "provider", "IP:127.0.0.1,DNS:localhost")
        other_cert, other_key = certificate(directory, "other", "DNS:somewhere.else")
        cls.provider = Provider({
            "bytes": both(good, lambda r: [r.send(bytes([b])) for b in STREAM_HEAD + b"".join(coded(sse(e)) for e in GOOD_EVENTS) +
                                           b"0\r\n\r\n"] and KEEP),
            "cut": raw(STREAM_HEAD + coded(sse(GOOD_EVENTS[1])), then="reset"),
            "close": lambda r: (good(r), CLOSE)[1],
            "large": stream(*[GOOD_EVENTS[1]] * 20000, *GOOD_EVENTS[-3:]),
        }, tls_server(cert, key))
        cls.misnamed = Provider(tls=tls_server(other_cert, other_key))
        plain = Provider()
        providers = [provider_entry(cls.provider.url, "trusted", ca_file=cert),
                     provider_entry(cls.provider.url.replace("127.0.0.1", "localhost"), "named", ca_file=cert),
                     provider_entry(cls.misnamed.url, "misnamed", ca_file=other_cert),
                     provider_entry(cls.provider.url, "wrong-ca", ca_file=other_cert)]
        cls.gateway = Gateway(config(cls.provider, [model(p["id"], p["id"]) for p in providers], providers,
                                     server={"workers": 1})).start()
        plain.stop()

    @classmethod
    def tearDownClass(cls):
        cls.provider.stop()
        cls.misnamed.stop()

    def ask(self, name, text="Hello", stream=False):
        return self.gateway.chat(text, model="test/" + name, stream=stream)

    def test_unknown_ca_is_refused(self):
        self.failed(self.gateway.chat(), *UNAVAILABLE, "Mock Provider TLS failed: .*(self.signed|certificate)")
        self.failed(self.ask("wrong-ca"), *UNAVAILABLE, "TLS failed: .*(self.signed|certificate)", provider="Wrong-Ca")
        self.assertEqual(self.provider.seen("sk-upstream-wrong-ca"), [])

    def test_wrong_name_is_refused(self):
        self.failed(self.ask("misnamed"), *UNAVAILABLE, "TLS failed: .*(name|IP|mismatch)", provider="Misnamed")
        self.assertEqual(self.misnamed.requests, [])

    def test_own_ca(self):
        for name in ("trusted", "named"):
            for streamed in (False, True):
                with self.subTest(name, stream=streamed):
                    self.answered(self.ask(name, stream=streamed))

    def test_stream_in_single_bytes(self):
        self.answered(self.ask("trusted", fault("bytes"), True))

    def test_large_stream(self):
        r = self.ask("trusted", fault("large"), True)
        self.answered(r, text="Hello " * 20000)

    def test_cut(self):
        self.broken(self.ask("trusted", fault("cut"), True), "provider_unavailable", "connection", provider="Trusted")

    def test_resumption(self):
        self.answered(self.ask("trusted", fault("close")))
        time.sleep(0.2)
        before = len(self.provider.resumed)
        self.answered(self.ask("trusted", fault("close")))
        self.assertEqual(self.provider.resumed[before:], [True])

    def test_connections_are_kept(self):
        self.answered(self.ask("trusted"))
        before = self.provider.connections
        for _ in range(5):
            self.answered(self.ask("trusted"))
        self.assertEqual(self.provider.connections, before)


class Proxy:
    """A small HTTP proxy: CONNECT and absolute-form POST. Names ending in .test lead to the provider."""

    def __init__(self, provider, refuse=None, drop=False):
        self.provider = provider
        self.refuse, self.drop = refuse, drop
        self.heads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            head, _, rest = head.partition(b"\r\n\r\n")
            self.heads.append(head.decode())
            if self.drop:
                return
            if self.refuse:
                client.sendall(self.refuse)
                return
            server = socket.create_connection(("127.0.0.1", self.provider.port))
            if head.startswith(b"CONNECT "):
                client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                server.sendall(rest)
            else:
                server.sendall(head + b"\r\n\r\n" + rest)
            while True:
                readable, _, _ = select.select([client, server], [], [])
                for side in readable:
                    data = side.recv(65536)
                    if not data:
                        server.close()
                        return
                    (server if side is client else client).sendall(data)
        except OSError:
            pass
        finally:
            client.close()


class Proxied(Expectations, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cert, key = certificate(harness.temp_dir(), "provider", "DNS:provider.test")
        cls.plain = Provider()
        cls.secure = Provider(tls=tls_server(cert, key))
        cls.http_proxy, cls.https_proxy = Proxy(cls.plain), Proxy(cls.secure)
        cls.forbidding = Proxy(cls.secure, refuse=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        cls.nonsense = Proxy(cls.secure, refuse=b"hello, I am no proxy\r\n\r\n")
        cls.dropping = Proxy(cls.secure, drop=True)
        cls.cert = cert
        cls.gateway = cls.start({"http_proxy": cls.http_proxy.url.replace("//", "//user:p%40ss@"), "https_proxy": cls.https_proxy.url})

    @classmethod
    def start(cls, env):
        providers = [provider_entry("http://provider.test:8080/v1", "far"), provider_entry("http://provider.test/v1", "default"),
                     provider_entry("https://provider.test/v1", "safe", ca_file=cls.cert),
                     provider_entry("https://provider.test:8443/v1", "safe-port", ca_file=cls.cert)]
        return Gateway(config(cls.plain, [model(p["id"], p["id"]) for p in providers], providers), env=env).start()

    @classmethod
    def tearDownClass(cls):
        for thing in (cls.plain, cls.secure, cls.http_proxy, cls.https_proxy, cls.forbidding, cls.nonsense, cls.dropping):
            thing.stop()

    def ask(self, name, stream=False, gateway=None):
        return (gateway or self.gateway).chat(model="test/" + name, stream=stream)

    def test_absolute_form(self):
        for name, host in (("far", "provider.test:8080"), ("default", "provider.test")):
            for streamed in (False, True):
                with self.subTest(name, stream=streamed):
                    self.answered(self.ask(name, streamed))
                    request = self.plain.requests[-1]
                    self.assertEqual(request.target, f"http://{host}/v1/chat/completions")
                    self.assertEqual(request.all("host"), [host])
                    self.assertEqual(request.all("proxy-authorization"),
                                     ["Basic " + base64.b64encode(b"user:p@ss").decode()])
                    self.assertEqual(request.all("authorization"), [f"Bearer sk-upstream-{name}"])

    def test_tunnel(self):
        for name, port in (("safe", 443), ("safe-port", 8443)):
            for streamed in (False, True):
                with self.subTest(name, stream=streamed):
                    self.answered(self.ask(name, streamed))
                    lines = self.https_proxy.heads[-1].split("\r\n")
                    self.assertEqual(lines[0], f"CONNECT provider.test:{port} HTTP/1.1")
                    self.assertIn(f"Host: provider.test:{port}", lines)
                    self.assertNotIn("sk-", self.https_proxy.heads[-1])
                    request = self.secure.requests[-1]
                    self.assertEqual(request.target, "/v1/chat/completions")
                    self.assertEqual(request.all("proxy-authorization"), [])
                    self.assertEqual(request.all("host"), ["provider.test" + (":8443" if port != 443 else "")])

    def test_loopback_goes_direct(self):
        before = len(self.http_proxy.heads)
        self.answered(self.gateway.chat())
        self.assertEqual(len(self.http_proxy.heads), before)

    def test_no_proxy(self):
        g = self.start({"http_proxy": self.http_proxy.url, "no_proxy": "example.org,.test"})
        before = len(self.http_proxy.heads)
        self.failed(self.with_gateway(g, "far"), *UNAVAILABLE, "cannot resolve provider.test", provider="Far")
        self.assertEqual(len(self.http_proxy.heads), before)

    def with_gateway(self, gateway, name):
        old, self.gateway = self.gateway, gateway
        self.addCleanup(setattr, self, "gateway", old)
        return self.ask(name)

    def test_tunnel_refused(self):
        g = self.start({"https_proxy": self.forbidding.url})
        self.failed(self.with_gateway(g, "safe"), *UNAVAILABLE, "Safe the proxy refused the tunnel with status 407|Safe.*proxy.*407",
                    provider="Safe")

    def test_proxy_that_is_none(self):
        for proxy, said in ((self.nonsense, "proxy"), (self.dropping, "the proxy closed the connection")):
            g = self.start({"https_proxy": proxy.url})
            self.failed(self.with_gateway(g, "safe"), *UNAVAILABLE, said, provider="Safe")

    def test_proxy_away(self):
        g = self.start({"http_proxy": f"http://127.0.0.1:{free_port()}", "https_proxy": f"http://127.0.0.1:{free_port()}"})
        for name in ("far", "safe"):
            self.failed(self.with_gateway(g, name), *UNAVAILABLE, "cannot connect to the proxy for provider.test",
                        provider=name.title())


def tearDownModule():
    harness.finish()


if __name__ == "__main__":
    unittest.main()
