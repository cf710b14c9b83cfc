"""Recorded replies of providers, through the gateway: what a chat client gets must be what the provider said."""

import decimal
import json
import random
import re
import struct
import unittest

import expected
import harness
import recorded
from expected import PRICES, Answer
from harness import Gateway
from upstream import KEEP, Provider, coded, fault, reply


def setUpModule():
    if not recorded.there():
        raise unittest.SkipTest("no recorded traffic here (or no python3-yaml)")


def tearDownModule():
    harness.finish()


def told(response):
    """What a client understands of a chat completion, whole or streamed; an error is its type as a string."""
    if response.status != 200:
        return response.json["error"]["metadata"]["error_type"]
    if "event-stream" not in response.field("content-type"):
        chunks = [response.json]
        choices = chunks[0]["choices"]
    else:
        chunks = response.events()
        if any("error" in chunk for chunk in chunks):
            return next(chunk["error"]["metadata"]["error_type"] for chunk in chunks if "error" in chunk)
        assert chunks.pop() == "[DONE]", "no [DONE]"
        choices = put_together(chunks)
    answer, *others = (understood(choice) for choice in choices)
    answer.others = others
    usage = next(chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage"))
    answer.prompt, answer.completion = usage["prompt_tokens"], usage["completion_tokens"]
    answer.cached = usage["prompt_tokens_details"]["cached_tokens"]
    answer.written = usage["prompt_tokens_details"].get("cache_write_tokens", 0)
    answer.reasoned = usage["completion_tokens_details"]["reasoning_tokens"]
    for chunk in chunks:
        answer.more |= {name: value for name, value in chunk.items() if name not in expected.OPENAI_TOP and value is not None}
    return answer, decimal.Decimal(repr(usage["cost"]))


def put_together(chunks):
    """A stream's choices as a whole answer would hold them."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", []):
                assert ("name" in call["function"]) == ("id" in call), call
    finishes = [(c["index"], c["finish_reason"]) for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    choices = expected.openai_message(chunks)
    assert sorted(index for index, _ in finishes) == [c["index"] for c in choices], f"finish reasons: {finishes}"
    for choice in choices:
        assert list(choice["calls"]) == list(range(len(choice["calls"]))), choice["calls"]
    return choices


def understood(choice):
    message, blobs = choice["message"], {}
    answer = expected.openai_choice(message, choice, "openai")
    for place, detail in enumerate(message.get("reasoning_details", [])):
        blob = detail.get("signature") or detail.get("data")
        if blob:
            key = detail.get("index", place)
            blobs[key] = blobs.get(key, "") + blob
    answer.blobs = list(blobs.values())
    answer.images = [image["image_url"]["url"] for image in message.get("images", [])]
    answer.more.pop("images", None)
    answer.native = choice["native_finish_reason"]
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
                              | {"providers": cls.configured(cls.provider),
                                 "models": [{"id": model, "endpoints": [
                                     {"provider": row, "model": "upstream-model", "context_length": 1000000,
                                      "max_completion_tokens": 8192, "pricing": PRICES} | cls.endpoint]}
                                            for model, row in cls.models().items()]}).start()

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": cls.protocol, "base_url": provider.url, "api_key": "sk-upstream"}

    @classmethod
    def configured(cls, provider):
        return [cls.settings(provider)]

    @classmethod
    def models(cls):
        return {"test/model": "mock"}

    def model(self, exchange):
        return "test/model"

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
        return self.gateway.chat(fault("now"), stream=exchange.streamed, model=self.model(exchange))

    def exchanges(self):
        return [e for e in recorded.everything() if not recorded.other(e) and recorded.protocol_of(e) == self.protocol]

    def cuts(self, body):
        """Around the ends of some of its events, and at some places in between; always near the end."""
        ends = [m.end() for m in re.finditer(rb"\n\n|\r\n\r\n", body)] or list(range(16, len(body), 211))
        chosen = sorted(random.Random(len(body)).sample(ends, min(12, len(ends))) + ends[-3:])
        places = {at + step for at in chosen for step in (-3, -1, 0, 1)} | set(random.Random(1).sample(range(len(body)), 12))
        return sorted(at for at in places if 0 < at < len(body) - 2)

    def complete(self, exchange, at):
        """Does what is left hold a whole answer?"""
        body = exchange.body[:at]
        ends = [m.end() for m in re.finditer(rb"\n\n|\r\n\r\n", body)]
        for whole in (body + b"\n\n", body[:ends[-1]] if ends else b""):
            try:
                if isinstance(self.read(whole, exchange), Answer):
                    return True
            except (ValueError, KeyError, TypeError, IndexError, struct.error):
                pass
        return False

    def check(self, exchange, response):
        """That the client was told what the provider said; True: it was an answer."""
        wanted, found = self.read(exchange.body, exchange), told(response)
        if isinstance(wanted, str):
            self.assertIsInstance(found, str, wanted)
            return False
        self.assertNotIsInstance(found, str, response)
        found, cost = found
        if not wanted.prompt and not wanted.completion:  # ours is an estimate
            wanted.prompt, wanted.completion = found.prompt, found.completion
        ids = [call[2] for call in found.calls]
        self.assertTrue(all(ids), ids)
        self.assertEqual(len(ids), len(set(ids)), ids)
        wanted.calls = [(name, value, told_id if given is None else given)
                        for (name, value, given), told_id in zip(wanted.calls, ids + [None] * len(wanted.calls))]
        if wanted.native is None:
            found.native = None
        wanted.searches, wanted.billed, priced = 0, None, wanted.cost()
        for name in Answer.__dataclass_fields__:
            self.assertEqual(getattr(found, name), getattr(wanted, name), name)
        self.assertEqual(cost, priced)
        return True

    def check_error(self, exchange):
        response = self.ask(exchange)
        wanted, words = expected.error(exchange.status, exchange.body, exchange.fields)
        told_words = response.json["error"]["message"] + str(response.json["error"]["metadata"].get("raw"))
        self.assertEqual((told(response), response.status), wanted, response)
        self.assertIn(words[:60], told_words)

    def read(self, body, exchange):
        return getattr(expected, self.protocol)(body, exchange.streamed)

    def test_replies(self):
        seen = 0
        for exchange in self.exchanges():
            with self.subTest(exchange.name):
                if exchange.status != 200:
                    self.check_error(exchange)
                    continue
                answered = self.check(exchange, self.ask(exchange))
                seen += 1
                if answered and exchange.streamed:
                    self.check(exchange, self.ask(exchange, piece=1 if len(exchange.body) < 3000 else 17))
                    for at in self.cuts(exchange.body):
                        if self.complete(exchange, at):  # several answers in one file
                            continue
                        self.assertIsInstance(told(self.ask(exchange, cut=at)), str, f"cut at {at}")
        print(f"     {self.protocol}: {seen} recorded replies")


class Anthropic(Recorded):
    protocol = "anthropic"


class Gemini(Recorded):
    protocol = "gemini"


class Vertex(Recorded):
    protocol = "vertex"


class Bedrock(Recorded):
    protocol = "bedrock"

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": "bedrock", "base_url": provider.url.removesuffix("/v1"), "region": "us-east-1",
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}


class Cohere(Recorded):
    protocol = "cohere"


class Mistral(Recorded):
    protocol = "mistral"


class Responses(Recorded):
    protocol = "responses"
    endpoint = {"api": "responses"}

    @classmethod
    def settings(cls, provider):
        return {"id": "mock", "protocol": "openai", "base_url": provider.url, "api_key": "sk-upstream"}


class Azure(Recorded):
    protocol = "azure"


class OpenAI(Recorded):
    """Each service under the name of its row, as its quirks are known by that."""
    protocol = "openai"

    @classmethod
    def services(cls):
        return sorted(set(recorded.SERVICES.values()) | {"mock"})

    @classmethod
    def configured(cls, provider):
        return [{"id": row, "protocol": "openai", "base_url": provider.url, "api_key": "sk-upstream"} for row in cls.services()]

    @classmethod
    def models(cls):
        return {f"test/{row}": row for row in cls.services()}

    def model(self, exchange):
        return "test/" + recorded.service_of(exchange)

    def read(self, body, exchange):
        return expected.openai(body, exchange.streamed, recorded.service_of(exchange))


class Accounted(unittest.TestCase):
    """Nothing that is recorded is left out in silence."""

    def test_every_exchange(self):
        files = {str(path.relative_to(recorded.HOME)) for path in recorded.HOME.rglob("*") if path.is_file()}
        files = {name for name in files if not name.startswith(("LICENSES", "MANIFEST", "sigv4/", "synthetic/"))}
        self.assertEqual(files, {e.name.partition("#")[0] for e in recorded.everything()})
        read = {kind.protocol for kind in Recorded.__subclasses__()}
        left_out = {}
        for exchange in recorded.everything():
            reason = recorded.other(exchange)
            if reason:
                left_out.setdefault(reason, []).append(exchange.name)
            else:
                self.assertIn(recorded.protocol_of(exchange), read, exchange)
        for reason, names in left_out.items():
            print(f"     not asked by chat: {len(names)} exchanges, {reason}")

    def test_every_synthetic_file(self):
        names = {path.name for path in (recorded.HOME / "synthetic").iterdir()}
        known = set(SYNTHETIC) | {name for name in names if name.startswith("bedrock-stream-")}
        self.assertEqual(names - known, {"sse-edge-cases.sse"}, "tests/unit/surface/test_recorded_streams.c reads this one")


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
                        self.assertEqual(told(response)[0].finish, wanted[1])
                    else:
                        self.assertIsInstance(told(response), str)
        self.assertLessEqual(set(SYNTHETIC), set(cases))


if __name__ == "__main__":
    unittest.main()
