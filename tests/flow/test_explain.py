"""`POST /signalbox/explain` and `signalbox explain`: where a request would go and why, without sending it."""

import json
import unittest

import harness
from harness import Gateway
from upstream import Provider, config, endpoint, provider_entry

HELLO = [{"role": "user", "content": "Hello"}]


def setUpModule():
    global provider, second, gateway
    provider, second = Provider(), Provider()
    gateway = Gateway(config(provider, [
        {"id": "test/pair", "endpoints": [endpoint("mock"), endpoint("second", "good")]},
        {"id": "test/alone", "endpoints": [endpoint("mock")]},
    ], [provider_entry(second.url, "second")])).start()


def tearDownModule():
    provider.stop()
    second.stop()
    harness.finish()


def ask(path="/api/v1/signalbox/explain", **body):
    return gateway.call("POST", path, json.dumps(body).encode())


class Explain(unittest.TestCase):
    def test_candidates_and_what_is_out(self):
        r = ask(model="test/pair", messages=HELLO, provider={"only": ["second"]})
        self.assertEqual(r.status, 200)
        self.assertEqual([c["provider"] for c in r.json["candidates"]], ["second"])
        self.assertEqual([(e["provider"], e["excluded_by"]) for e in r.json["excluded"]], [("mock", "allowed_providers")])
        self.assertEqual((r.json["requested"], r.json["models"], r.json["auto"]), ("test/pair", ["test/pair"], None))

    def test_nothing_is_left(self):
        r = ask(model="test/alone", messages=HELLO, provider={"only": ["second"]})
        self.assertEqual((r.status, r.json["candidates"]), (200, []))
        self.assertEqual(r.json["error"]["code"], 404)
        self.assertEqual(r.json["error"]["availability"]["excluded_by"], ["allowed_providers"])

    def test_automatic_choice(self):
        found = ask(model="openrouter/auto", messages=HELLO).json
        self.assertTrue(0 <= found["auto"]["difficulty"] <= 1)
        self.assertEqual(found["auto"]["model"], found["models"][0])

    def test_other_bodies_and_a_seed(self):
        for more in ({"input": "Hello"}, {"input": HELLO}, {"prompt": "Hello"}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}):
            r = ask(model="test/alone", **more)
            self.assertEqual((r.status, r.json["candidates"][0]["provider"]), (200, "mock"), more)
        self.assertEqual(ask("/api/v1/signalbox/explain?seed=5", model="test/pair", messages=HELLO).json["seed"], 5)
        for seed in ("abc", "-1", "1e3", "9007199254740992", ""):
            r = ask("/api/v1/signalbox/explain?seed=" + seed, model="test/pair", messages=HELLO)
            self.assertEqual(r.status, 400, seed)
            self.assertIn("seed", r.json["error"]["message"])

    def test_errors_are_those_of_inference(self):
        for body in ({"model": "test/pair", "messages": []}, {"messages": HELLO}, {"model": "test/none", "messages": HELLO},
                     {"model": "test/pair:quick", "messages": HELLO}, {"model": "test/pair", "messages": HELLO, "route": "x"}):
            self.assertEqual(ask(**body).status, 400, body)
        self.assertEqual(gateway.call("POST", "/api/v1/signalbox/explain", b"{}", key=None).status, 401)

    def test_nothing_is_sent_or_recorded(self):
        before = len(provider.requests) if hasattr(provider, "requests") else 0
        r = ask(model="test/alone", messages=HELLO)
        self.assertIsNone(r.field("x-generation-id"))
        self.assertEqual(len(provider.requests) if hasattr(provider, "requests") else 0, before)

    def test_command_line(self):
        self.assertIn("test/pair", str(gateway.cli("explain", "--model", "test/pair")))


if __name__ == "__main__":
    unittest.main()
