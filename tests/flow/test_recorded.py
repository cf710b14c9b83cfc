"""Recorded replies of providers, through the gateway: what a chat client gets must be what the provider said."""

import json
import random
import re
import unittest

import expected
import harness
import recorded
from expected import Answer
from harness import Gateway
from upstream import CLOSE, KEEP, Provider, coded, fault, reply

FOLDERS = {"anthropic": ("anthropic",), "gemini": ("google-gemini",), "vertex": ("google-vertex",),
           "bedrock": ("aws-bedrock",), "cohere": ("cohere",), "mistral": ("mistral",),
           "responses": ("openai-responses", "deepseek", "xai", "aws-bedrock", "azure-openai", "openai-compatible")}
STREAM_TYPES = {"sse": "text/event-stream", "aws": "application/vnd.amazon.eventstream"}
PRICES = {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "input_cache_write": "0.00000375"}


def setUpModule():
    if not recorded.there():
        raise unittest.SkipTest("no recorded traffic here (or no python3-yaml)")


def tearDownModule():
    harness.finish()


def told(response):
    """What a client understands of a chat completion, whole or streamed; an error is its type as a string."""
    if response.status != 200:
        return response.json["error"]["metadata"]["error_type"]
    answer = Answer(finish=None)
    if "event-stream" not in response.field("content-type"):
        body = response.json
        message, usage = body["choices"][0]["message"], body["usage"]
        answer.finish = body["choices"][0]["finish_reason"]
        answer.text = message["content"] or ""
        answer.reasoning = message.get("reasoning") or ""
        answer.calls = [(c["function"]["name"], expected.arguments(c["function"]["arguments"]))
                        for c in message.get("tool_calls", [])]
        details = message.get("reasoning_details", [])
    else:
        calls, usage, details, done = {}, None, [], False
        for event in response.events():
            if event == "[DONE]":
                done = True
                continue
            if "error" in event:
                return event["error"]["metadata"]["error_type"]
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                delta = choice["delta"]
                answer.text += delta.get("content") or ""
                answer.reasoning += delta.get("reasoning") or ""
                details += delta.get("reasoning_details", [])
                for call in delta.get("tool_calls", []):
                    made = calls.setdefault(call["index"], ["", ""])
                    made[0] += call["function"].get("name", "")
                    made[1] += call["function"]["arguments"]
                if choice["finish_reason"]:
                    assert answer.finish is None, "two finish reasons"
                    answer.finish = choice["finish_reason"]
        assert done, "no [DONE]"
        assert list(calls) == list(range(len(calls))), calls
        answer.calls = [(name, expected.arguments(text)) for name, text in calls.values()]
    signatures = {}
    for detail in details:
        blob = detail.get("signature") or detail.get("data")
        if blob:
            signatures[detail["index"]] = signatures.get(detail["index"], "") + blob
    answer.blobs = list(signatures.values())
    answer.prompt, answer.completion = usage["prompt_tokens"], usage["completion_tokens"]
    answer.cached = usage["prompt_tokens_details"]["cached_tokens"]
    answer.written = usage["prompt_tokens_details"].get("cache_write_tokens", 0)
    answer.reasoned = usage["completion_tokens_details"]["reasoning_tokens"]
    return answer


class Recorded(unittest.TestCase):
    protocol = None
    endpoint = {}

    @classmethod
    def setUpClass(cls):
        if cls.protocol is None:
            raise unittest.SkipTest("the base of the others")
        cls.answer = None
        cls.provider = Provider({"now": lambda request: cls.answer(request)})
        cls.gateway = Gateway(harness.config(cls.provider.url)
                              | {"providers": [cls.settings(cls.provider)],
                                 "models": [{"id": "test/model", "endpoints": [
                                     {"provider": "mock", "model": "upstream-model", "context_length": 1000000,
                                      "max_completion_tokens": 8192, "pricing": PRICES} | cls.endpoint]}]}).start()

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": cls.protocol, "base_url": provider.url, "api_key": "sk-upstream"}

    def ask(self, exchange, piece=None, cut=None):
        """The exchange's reply for our request; `piece`: bytes a packet; `cut`: it ends there in order."""
        body = exchange.body if cut is None else exchange.body[:cut]

        def answer(request):
            if not exchange.streamed:
                request.send(reply(body, f"{exchange.status} X", exchange.content_type,
                                   **({"x_amzn_errortype": exchange.fields["x-amzn-errortype"]}
                                      if "x-amzn-errortype" in exchange.fields else {})))
                return KEEP
            begin = f"HTTP/1.1 {exchange.status} X\r\nContent-Type: {exchange.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
            request.send(begin.encode())
            for at in range(0, len(body), piece or len(body) or 1):
                request.send(coded(body[at:at + (piece or len(body))]))
            request.send(b"0\r\n\r\n")
            return KEEP

        type(self).answer = staticmethod(answer)
        return self.gateway.chat(fault("now"), stream=exchange.streamed)

    def exchanges(self):
        return [e for e in recorded.load(*FOLDERS[self.protocol]) if self.wanted(e)]

    def wanted(self, exchange):
        return True

    def cuts(self, body):
        """Around the ends of some of its events, and at some places in between; always near the end."""
        ends = [m.end() for m in re.finditer(rb"\n\n|\r\n\r\n", body)] or list(range(16, len(body), 211))
        chosen = sorted(random.Random(len(body)).sample(ends, min(12, len(ends))) + ends[-3:])
        places = {at + step for at in chosen for step in (-3, -1, 0, 1)} | set(random.Random(1).sample(range(len(body)), 12))
        return sorted(at for at in places if 0 < at < len(body) - 2)

    def complete(self, body):
        """Does what is left hold a whole answer?"""
        ends = [m.end() for m in re.finditer(rb"\n\n|\r\n\r\n", body)]
        for whole in (body + b"\n\n", body[:ends[-1]] if ends else b""):
            try:
                if isinstance(getattr(expected, self.protocol)(whole, True), Answer):
                    return True
            except (ValueError, KeyError, TypeError, IndexError):
                pass
        return False

    def check_all(self):
        function = getattr(expected, self.protocol)
        seen = 0
        for exchange in self.exchanges():
            with self.subTest(exchange.name):
                if exchange.status != 200:
                    self.assertIn(self.ask(exchange).status, (400, 404, 413, 422, 429, 502, 503, 504))
                    continue
                wanted = function(exchange.body, exchange.streamed)
                found = told(self.ask(exchange))
                seen += 1
                if isinstance(wanted, str):
                    self.assertIsInstance(found, str, wanted)
                    continue
                if not wanted.prompt and not wanted.completion and not isinstance(found, str):  # ours is an estimate
                    wanted.prompt, wanted.completion = found.prompt, found.completion
                self.assertEqual(found, wanted)
                if exchange.streamed:
                    self.assertEqual(told(self.ask(exchange, piece=1 if len(exchange.body) < 3000 else 17)), wanted)
                    for at in self.cuts(exchange.body):
                        if self.complete(exchange.body[:at]):  # several answers in one file
                            continue
                        self.assertIsInstance(told(self.ask(exchange, cut=at)), str, f"cut at {at}")
        print(f"     {self.protocol}: {seen} recorded replies")


class Anthropic(Recorded):
    protocol = "anthropic"

    def wanted(self, exchange):
        return not exchange.url or exchange.url.endswith(("/messages", "/messages?beta=true"))

    def test_replies(self):
        self.check_all()


class Gemini(Recorded):
    protocol = "gemini"

    def wanted(self, exchange):
        return not exchange.url or "enerateContent" in exchange.url

    def test_replies(self):
        self.check_all()


class Vertex(Gemini):
    protocol = "vertex"


class Bedrock(Recorded):
    protocol = "bedrock"

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": "bedrock", "base_url": provider.url.removesuffix("/v1"), "region": "us-east-1",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}

    def wanted(self, exchange):
        return not exchange.url or "/converse" in exchange.url

    def test_replies(self):
        self.check_all()


class Cohere(Recorded):
    protocol = "cohere"

    def wanted(self, exchange):
        return not exchange.url or exchange.url.endswith("/v2/chat")

    def test_replies(self):
        self.check_all()


class Mistral(Recorded):
    protocol = "mistral"

    def test_replies(self):
        self.check_all()


class Responses(Recorded):
    protocol = "responses"
    endpoint = {"api": "responses"}

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": "openai", "base_url": provider.url, "api_key": "sk-upstream"}

    def wanted(self, exchange):
        if exchange.url:
            return "/responses" in exchange.url
        return b'"response.' in exchange.body or b'"object":"response"' in exchange.body

    def test_replies(self):
        self.check_all()


# What the files of ../shared/fixtures/synthetic must come to: an error's status and type, or an answer.
SYNTHETIC = {
    "anthropic-529-overloaded.http": ("anthropic", 503), "anthropic-429-rate-limit.http": ("anthropic", 429),
    "anthropic-stream-overloaded-mid.sse": ("anthropic", "provider_overloaded"),
    "anthropic-stream-overloaded-first.sse": ("anthropic", 503),
    "openai-429-rate-limit.http": ("openai", 429), "openai-503-overloaded.http": ("openai", 503),
    "gemini-503-unavailable.http": ("gemini", 503), "openai-chat-stream-error-mid.sse": ("openai", "error"),
    "openai-chat-stream-truncated-no-done.sse": ("openai", "error"), "vllm-200-stream-error-only.sse": ("openai", "refused"),
    "openai-responses-stream-failed.sse": ("responses", "refused"),
    "openai-responses-stream-done-only-arguments.sse": ("responses", "tool_calls"),
    "gemini-openai-compat-400-array.http": ("gemini", "refused"), "azure-400-prompt-content-filter.http": ("azure", 400),
    "bedrock-429-throttling.http": ("bedrock", 429), "html-502-bad-gateway.http": ("anthropic", 502),
    "bedrock-stream-ok.bin": ("bedrock", "stop"), "bedrock-stream-parallel-tools.bin": ("bedrock", "tool_calls"),
    "bedrock-stream-unknown-event.bin": ("bedrock", "stop"),
}


class Synthetic(unittest.TestCase):
    def test_all(self):
        cases = {e.name.rpartition("/")[2]: e for e in recorded.load("synthetic")}
        settings = {"anthropic": Anthropic, "gemini": Gemini, "bedrock": Bedrock, "responses": Responses}
        for protocol in ("anthropic", "gemini", "bedrock", "responses", "openai", "azure"):
            kind = settings.get(protocol) or type(protocol, (Recorded,), {"protocol": protocol})
            kind.setUpClass()
            for name, exchange in cases.items():
                wanted = SYNTHETIC.get(name) or ("bedrock", "error") if name.startswith("bedrock") else SYNTHETIC.get(name)
                if not wanted or wanted[0] != protocol:
                    continue
                with self.subTest(name):
                    response = kind("ask").ask(exchange)
                    if isinstance(wanted[1], int):
                        self.assertEqual(response.status, wanted[1], response)
                    elif wanted[1] == "refused":
                        self.assertNotEqual(response.status, 200)
                    elif wanted[1] in ("stop", "tool_calls"):
                        self.assertEqual(told(response).finish, wanted[1])
                    else:
                        self.assertIsInstance(told(response), str)
        self.assertLessEqual(set(SYNTHETIC), set(cases))


if __name__ == "__main__":
    unittest.main()
