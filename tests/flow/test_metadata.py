"""`X-OpenRouter-Metadata: enabled`: how a request was routed and what was lost, in whole answers, streams and errors."""

import json
import unittest

import harness
from harness import Gateway
from upstream import Provider, config, endpoint, fault, provider_entry, whole


def setUpModule():
    global provider, second, gateway
    provider = Provider({"busy": whole({"error": {"message": "it broke"}}, "503 Oops")})
    second = Provider()
    gateway = Gateway(config(provider, [
        {"id": "test/pair", "endpoints": [endpoint("mock"), endpoint("second", "good")]},
        {"id": "test/alone", "endpoints": [endpoint("mock")]},
    ], [provider_entry(second.url, "second")])).start()


def tearDownModule():
    provider.stop()
    second.stop()
    harness.finish()


class Metadata(unittest.TestCase):
    def ask(self, wish="enabled", name="X-OpenRouter-Metadata", content="Hello", **more):
        body = json.dumps({"model": "test/pair", "messages": [{"role": "user", "content": content}]} | more)
        return gateway.call("POST", "/api/v1/chat/completions", body.encode(), headers={name: wish})

    def told(self, response, stream):
        if not stream:
            return response.json.get("openrouter_metadata")
        objects = [e for e in response.events() if e != "[DONE]"]
        self.assertTrue(all("openrouter_metadata" not in e for e in objects[:-1]))
        return objects[-1].get("openrouter_metadata")

    def test_it_is_told_when_asked_for(self):
        for streamed in (False, True):
            for name, wish in (("X-OpenRouter-Metadata", "Enabled"), ("X-OpenRouter-Experimental-Metadata", "enabled")):
                found = self.told(self.ask(wish, name, stream=streamed), streamed)
                self.assertEqual((found["requested"], found["strategy"], found["attempt"], found["is_byok"], found["region"]),
                                 ("test/pair", "direct", 1, False, None))
                self.assertEqual(found["endpoints"]["total"], 2)
                self.assertEqual([e["selected"] for e in found["endpoints"]["available"]], [True, False])
                self.assertEqual([a["status"] for a in found["attempts"]], [200])
                self.assertTrue(found["summary"].startswith("available=2, selected="))
            for wish in ("", "on", "disabled"):
                self.assertIsNone(self.told(self.ask(wish, stream=streamed), streamed))

    def test_every_attempt_is_told(self):
        for streamed in (False, True):
            found = self.told(self.ask(content=fault("busy"), stream=streamed), streamed)
            self.assertEqual([a["status"] for a in found["attempts"]], [503, 200])
            self.assertEqual((found["attempt"], found["strategy"]), (2, "direct"))
            self.assertEqual([e["selected"] for e in found["endpoints"]["available"]], [False, True])

    def test_errors_tell_it_too(self):
        response = self.ask(content=fault("busy"), model="test/alone")
        self.assertEqual(response.status, 503)
        found = response.json["openrouter_metadata"]
        self.assertEqual([a["status"] for a in found["attempts"]], [503])
        self.assertNotIn("openrouter_metadata", self.ask(model="no/such").json)


if __name__ == "__main__":
    unittest.main()
