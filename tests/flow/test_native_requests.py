"""Recorded requests of Cohere and Mistral, whose words are near enough to a chat client's to be sent as they are: what reaches the
provider must be the same request again.
"""

import json
import unittest

import harness
import recorded
from harness import Gateway
from upstream import KEEP, Provider, reply

ANSWER = {"id": "x", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Fine."}]},
          "choices": [{"index": 0, "message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}]}


def setUpModule():
    if not recorded.there():
        raise unittest.SkipTest("no recorded traffic here (or no python3-yaml)")


def tearDownModule():
    harness.finish()


class Keeper(Provider):
    """Answers everything, and keeps what it was asked."""

    def _answer(self, request):
        self.last = request.json
        request.send(reply(ANSWER))
        return KEEP


def plain(value, place=()):
    """Without what means the same as its absence."""
    if isinstance(value, list):
        if [part.get("type") for part in value if isinstance(part, dict)] == ["text"] and len(value) == 1:
            return value[0]["text"]
        return [plain(part, place) for part in value]
    if not isinstance(value, dict):
        return value
    left = {key: plain(inner, place + (key,)) for key, inner in value.items()}
    left = {key: inner for key, inner in left.items() if inner not in (None, [], "", False)}
    if value.get("n") == 1:
        left.pop("n")
    if value.get("type") == "thinking":
        left.pop("closed", None)
    if value.get("role") == "tool":
        left.pop("name", None)
    if not place and value.get("citation_options") == {"mode": "disabled"}:
        left.pop("citation_options")
    return left


class NativeRequests(unittest.TestCase):
    def check(self, protocol):
        provider, seen = Keeper(), 0
        exchanges = [e for e in recorded.load(protocol) if e.request and e.url and f"api.{protocol}." in e.url]
        models = {f"test/{e.request['model']}": e.request["model"] for e in exchanges}
        gateway = Gateway(harness.config(provider.url)
                          | {"providers": [{"id": "mock", "protocol": protocol, "base_url": provider.url, "api_key": "sk-upstream"}],
                             "models": [{"id": name, "endpoints": [{"provider": "mock", "model": model, "context_length": 1000000,
                                                                    "max_completion_tokens": 8192}]}
                                        for name, model in models.items()]}).start()
        for exchange in exchanges:
            with self.subTest(exchange.name):
                asked = exchange.request | {"model": f"test/{exchange.request['model']}", "stream": False}
                response = gateway.call("POST", "/api/v1/chat/completions", json.dumps(asked).encode(), harness.KEY)
                self.assertEqual(response.status, 200, response)
                self.assertEqual(plain(provider.last), plain(exchange.request | {"stream": False}))
                self.assertIsNone(response.field("x-signalbox-dropped"))
                seen += 1
        print(f"     {protocol}: {seen} recorded requests")

    def test_cohere(self):
        self.check("cohere")

    def test_mistral(self):
        self.check("mistral")


if __name__ == "__main__":
    unittest.main()
