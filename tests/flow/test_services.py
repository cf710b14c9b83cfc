"""OpenAI-like services: what of a spliced request the gateway itself must do before it goes on, and what it makes of what
comes back. How each service wants its body is in tests/golden/openai_chat.
"""

import base64
import json
import unittest

import harness
from test_dialects import CHAT_ANSWER, PNG, Mock, gateway_for
from upstream import KEEP, coded, reply

tearDownModule = harness.finish

MODELS = {
    "l/llava": ("openai", "llava", {"id": "ollama", "api_key": None}),
    "o/4o": ("openai", "gpt-4o", {"id": "openai"}),
    "q/one": ("openai", "qwen", {"id": "together"}),
    "d/chat": ("openai", "deepseek-chat", {"id": "deepseek"}),
    "z/v1": ("azure", "prod", {"id": "azure"}),
    "z/old": ("azure", "prod", {"api_version": "2024-10-21"}),
    "z/newest": ("azure", "gpt-5.6-sol", {"id": "azure"}),
    "z/entra": ("azure", "prod", {"api_key": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}),
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def models_endpoint(mock):
    return {"z/grok": ("azure", "grok-4", {"base_url": f"http://127.0.0.1:{mock.port}/models"})}


def parts(*more):
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *more]}]


class Services(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        models = {name: (protocol, model, {k: v for k, v in more.items() if v is not None}) for name, (protocol, model, more) in
                  (MODELS | models_endpoint(cls.mock)).items()}
        cls.gateway = gateway_for(cls.mock, models, upstream={"fetch_private": "on"})

    def ask(self, model, status=200, **body):
        before = len(self.mock.requests)
        body = {"messages": [{"role": "user", "content": "Hi"}]} | body | {"model": model}
        response = self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body).encode())
        self.assertEqual(response.status, status, response)
        return self.mock.requests[before:], response

    def test_pictures_by_url_where_only_bytes_are_taken(self):
        url = f"http://127.0.0.1:{self.mock.port}/picture?a=1"
        picture = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
        (fetched, request), _ = self.ask("l/llava", messages=parts(picture, picture))
        self.assertEqual(fetched.target, "/picture?a=1")
        data = "data:image/png;base64," + PNG
        self.assertEqual(request.json["messages"][0]["content"][1:], [{"type": "image_url", "image_url": {"url": data, "detail": "low"}}] * 2)
        # Others fetch it themselves.
        (request,), _ = self.ask("o/4o", messages=parts(picture))
        self.assertEqual(request.json["messages"][0]["content"][1], picture)

    def test_files_by_url(self):
        url = f"http://127.0.0.1:{self.mock.port}/picture"
        (_, request), _ = self.ask("o/4o", messages=parts({"type": "file", "file": {"file_data": url}}))
        data = "data:image/png;base64," + PNG
        self.assertEqual(request.json["messages"][0]["content"][1], {"type": "file", "file": {"filename": "file.pdf", "file_data": data}})
        given = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + PNG}}
        (request,), _ = self.ask("o/4o", messages=parts(given))
        self.assertEqual(request.json["messages"][0]["content"][1], given)

    def test_azure_is_asked_for_files_and_newest_tools_by_responses(self):
        file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + PNG}}
        (request,), _ = self.ask("z/v1", messages=parts(file))
        self.assertEqual(request.target, "/openai/v1/responses")
        self.assertEqual(request.json["input"][0]["content"][1]["type"], "input_file")
        for model, more, path in (("z/newest", {"tools": [TOOL]}, "/openai/v1/responses"),
                                  ("z/newest", {"tools": [TOOL], "reasoning_effort": "none"}, "/openai/v1/chat/completions"),
                                  ("z/newest", {}, "/openai/v1/chat/completions"),
                                  ("z/v1", {"tools": [TOOL]}, "/openai/v1/chat/completions"),
                                  ("z/old", {"messages": parts(file)}, "/openai/deployments/prod/chat/completions?api-version=2024-10-21")):
            (request,), _ = self.ask(model, **more)
            self.assertEqual(request.target, path, more)

    def test_azure_heads(self):
        (request,), _ = self.ask("z/grok", max_completion_tokens=5)
        self.assertEqual(request.target, "/models/chat/completions?api-version=2024-05-01-preview")
        self.assertEqual(request.all("extra-parameters"), ["pass-through"])
        self.assertEqual(request.json["max_tokens"], 5)
        (request,), _ = self.ask("z/entra")
        self.assertEqual(request.all("authorization"), ["Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"])
        self.assertEqual(request.all("api-key"), [])
        (request,), _ = self.ask("z/v1")
        self.assertEqual((request.all("authorization"), request.all("api-key")), ([], ["sk-upstream"]))

    def test_reasoning_that_is_not_wanted(self):
        message = {"role": "assistant", "content": "Fine.", "reasoning": "Hm.", "reasoning_content": "Hm.",
                   "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}
        answer = CHAT_ANSWER | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        for wish in ({"reasoning": {"exclude": True}}, {"include_reasoning": False}):
            self.mock.next = lambda r: r.send(reply(answer)) or KEEP
            _, response = self.ask("q/one", **wish)
            self.assertEqual(response.json["choices"][0]["message"], {"role": "assistant", "content": "Fine."})
        self.mock.next = lambda r: r.send(reply(answer)) or KEEP
        self.assertEqual(self.ask("q/one")[1].json["choices"][0]["message"], message)

        def stream(request):
            request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for delta in ({"role": "assistant", "content": ""}, {"reasoning_content": "H"}, {"reasoning_content": "m"}, {"content": "Fine."}, None):
                choice = {"index": 0, "delta": delta or {}, "finish_reason": None if delta else "stop"}
                request.send(coded(b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"))
            request.send(coded(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            return KEEP

        self.mock.next = stream
        _, response = self.ask("q/one", stream=True, reasoning={"exclude": True})
        self.assertNotIn(b"reasoning\":", response.body)
        self.assertNotIn(b"reasoning_content", response.body)
        self.assertEqual(response.body.count(b"data: "), 5)

    def test_whether_to_try_again_is_the_providers_to_say(self):
        def fails(status, told):
            answer = reply({"error": {"message": "No."}}, status=status).replace(b"\r\n", b"\r\nx-should-retry: " + told + b"\r\n", 1)
            self.mock.next = lambda r: r.send(answer) or KEEP

        fails(429, b"false")
        self.assertEqual(self.ask("o/4o", 429)[1].field("x-should-retry"), "false")
        fails(400, b"true")
        self.ask("o/4o", 502)
        fails(400, b"false")
        self.ask("o/4o", 400)

    def test_what_is_lost_is_told(self):
        for model, more, lost in (("o/4o", {"thinking": {"type": "enabled"}, "tools": [{"googleSearch": {}}], "reasoning_effort": "low"},
                                   "reasoning_effort, tools, thinking"),
                                  ("o/4o", {"x_new": 1, "temperature": 0.3}, None),
                                  ("d/chat", {"reasoning": {"effort": "none"}, "tools": [TOOL], "tool_choice": "required"}, None)):
            _, response = self.ask(model, **more)
            got = response.field("x-signalbox-dropped")
            self.assertEqual(sorted((got or "").split(", ")), sorted((lost or "").split(", ")), more)


if __name__ == "__main__":
    unittest.main()
