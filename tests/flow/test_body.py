"""Bad request bodies: each is answered at once, in OpenRouter's envelope, with a message that says what to do."""

import json
import time
import unittest

from harness import Gateway, Mock, chat_body, config, finish

MAX_BODY = 256 * 1024


def setUpModule():
    global mock, gateway
    mock = Mock()
    gateway = Gateway(config(mock, server={"max_body_bytes": MAX_BODY})).start()


def tearDownModule():
    mock.stop()
    finish()


class Body(unittest.TestCase):
    def refused(self, body, status=400, *words):
        """Sends the body; the answer must be an error of that status whose message has the words. Returns it."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        sent = len(mock.seen)
        r = gateway.call("POST", "/api/v1/chat/completions", body)
        self.assertEqual(r.status, status, r)
        self.assertEqual(r.field("content-type"), "application/json")
        error = r.json["error"]
        self.assertEqual(set(r.json), {"error"})
        self.assertEqual(error["code"], r.status, r)
        self.assertTrue(error["message"], r)
        self.assertTrue(error["metadata"]["error_type"], r)
        for word in words:
            self.assertIn(word, error["message"])
        self.assertEqual(len(mock.seen), sent, "the provider was asked all the same")
        return error

    def good(self, **change):
        body = {"model": "test/model", "messages": [{"role": "user", "content": "x"}]} | change
        return {k: v for k, v in body.items() if v is not ...}

    def test_malformed_json_names_the_byte(self):
        for body, at in (('{"model": }', 10), ('{"a" 1}', 5), ('{"a": tru}', 6), ('[1,]', 3), ('{"a":1', 6),
                         ('{"a":"x', 7), ('nul', 0), ('{"a":01}', 6), ('{"a":1}x', 7), ("{'a':1}", 1)):
            with self.subTest(body):
                error = self.refused(body, 400, "not valid JSON")
                # The byte where it went wrong, or close behind it.
                said = int(error["message"].rsplit("byte ", 1)[1].rstrip("."))
                self.assertLessEqual(abs(said - at), 3, error)

    def test_nested_100000_deep_is_refused_fast(self):
        for opening in (b"[", b'{"a":'):
            began = time.monotonic()
            depth = 100000 if opening == b"[" else 40000
            self.refused(b'{"messages":' + opening * depth, 400)
            self.assertLess(time.monotonic() - began, 2)

    def test_invalid_utf8(self):
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
            with self.subTest(bad):
                self.refused(b'{"model":"test/model","messages":[{"role":"user","content":"' + bad + b'"}]}', 400, "byte")

    def test_duplicate_keys(self):
        """Of the outermost object, whose members decide what the gateway does; deeper ones are the provider's matter."""
        self.refused('{"model":"test/model","model":"other","messages":[{"role":"user","content":"x"}]}', 400)
        self.refused('{"model":"test/model","messages":[{"role":"user","content":"x"}],"messages":[]}', 400)
        self.refused('{"model":"test/model","m\\u006fdel":"other","messages":[{"role":"user","content":"x"}]}', 400)

    def test_wrong_types_of_documented_members(self):
        wrong = {
            "model": [1, {}, []], "stream": ["yes", 1], "max_tokens": ["10", 1.5, 0, -1], "temperature": ["hot", 3, -1],
            "max_completion_tokens": ["x", 0], "top_p": ["x", 2, -0.1], "top_k": ["x", 1.5, -1], "min_p": [2, "x"],
            "top_a": [2, "x"], "frequency_penalty": [3, -3, "x"], "presence_penalty": [3, "x"],
            "repetition_penalty": [3, -1, "x"], "seed": ["x"], "n": ["x", 0], "stop": [1, {}, [1], ["a"] * 5],
            "logit_bias": [[], "x"], "logprobs": ["x"], "top_logprobs": [21, "x"], "tools": [{}, "x"],
            "tool_choice": [1, []], "parallel_tool_calls": ["x"], "response_format": ["json"], "reasoning": ["high"],
            "reasoning_effort": [1], "models": ["x", [1]], "provider": ["x", []], "plugins": [{}], "user": [1, {}],
            "metadata": ["x"], "stream_options": [1], "usage": ["x"], "session_id": [1], "transforms": ["x"],
        }
        for member, values in wrong.items():
            for value in values:
                with self.subTest(f"{member}={value}"):
                    self.refused(self.good(**{member: value}), 400, f'"{member}"')

    def test_messages(self):
        self.refused(self.good(messages=...), 400, "messages")
        self.refused(self.good(messages=[]), 400, "messages")
        self.refused(self.good(messages="hello"), 400, "messages")
        self.refused(self.good(messages={"role": "user"}), 400, "messages")
        self.refused(self.good(messages=None), 400, "messages")
        self.refused(self.good(messages=["hello"]), 400, "messages")
        self.refused(self.good(messages=[{"role": "user", "content": "x"}, {"content": "x"}]), 400, "messages", "role")
        self.refused(self.good(messages=[{"role": 1, "content": "x"}]), 400, "role")

    def test_model(self):
        self.refused(self.good(model=...), 400, "model")
        self.refused(self.good(model=""), 400, "model")
        self.refused(self.good(model=None), 400, "model")
        self.refused(self.good(model="x" * 300), 400, "model")
        self.refused(self.good(model="test/modle"), 400, "test/model")  # the nearest is suggested
        self.refused(self.good(model="model"), 400, "test/model")
        self.refused(self.good(model="no\n\"such"), 400)

    def test_not_an_object_and_empty(self):
        for body in ("[]", '"x"', "1", "null", "true", "", " ", "\n"):
            with self.subTest(body):
                self.refused(body, 400)
        r = gateway.call("POST", "/api/v1/chat/completions")  # no Content-Length at all
        self.assertEqual((r.status, r.json["error"]["code"]), (400, 400))

    def test_too_large_by_content_length(self):
        with gateway.connect() as raw:
            raw.send(raw.head("POST", "/api/v1/chat/completions", MAX_BODY + 1))
            r = raw.response()  # without any of the body
            self.assertEqual((r.status, r.json["error"]["code"]), (413, 413))
            self.assertIn(str(MAX_BODY), r.json["error"]["message"])
            self.assertTrue(raw.is_closed())

    def test_too_large_by_chunks(self):
        with gateway.connect() as raw:
            raw.send(raw.head("POST", "/api/v1/chat/completions", headers={"Transfer-Encoding": "chunked"}))
            piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
            for _ in range(MAX_BODY // 0x8000 + 1):
                raw.send(piece)
            r = raw.response()
            self.assertEqual((r.status, r.json["error"]["code"]), (413, 413))
            self.assertTrue(raw.is_closed())

    def test_just_at_the_limit(self):
        body = chat_body("x")
        body += b" " * (MAX_BODY - len(body))
        self.assertEqual(gateway.call("POST", "/api/v1/chat/completions", body).status, 200)

    def test_unknown_members_pass(self):
        self.assertEqual(gateway.chat("x", some_new_member={"a": [1, 2.50, None]}).status, 200)
        self.assertEqual(mock.seen[-1][1]["some_new_member"], {"a": [1, 2.5, None]})

    def test_null_members_mean_not_given(self):
        r = gateway.chat("x", temperature=None, stop=None, tools=None, max_tokens=None, provider=None, models=None)
        self.assertEqual(r.status, 200, r)
