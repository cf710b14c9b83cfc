"""There and back: what a provider was really asked, taken apart to a chat request (inverse.py), sent through the gateway, must
reach the provider as it was; what it really answered, read by a client and sent back with the next question, must reach it as it
was. A difference is allowed by a rule only (allowed.py); each has a name and its reason.
"""

import base64
import collections
import json
import re
import unittest
import urllib.parse

import expected
import harness
import inverse
import recorded
import turns
from allowed import DIALECTS, PNG, RULES, settled
from expected import PRICES
from harness import Gateway
from upstream import KEEP, Provider, reply

AWS = {"region": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}


def setUpModule():
    if not recorded.there():
        raise unittest.SkipTest("no recorded traffic here (or no python3-yaml)")


def tearDownModule():
    harness.finish()


# --- the exchanges ---

# Requests that no chat request can lead to, by a mark in the path, and why.
UNASKED = {
    "/count_tokens": "counting tokens is another endpoint, without max_tokens",
}


def unasked(exchange):
    return next((reason for mark, reason in UNASKED.items() if mark in recorded.path_of(exchange)), None)


def model_of(exchange):
    """The provider's own name for it: in the body or in the path."""
    if exchange.request and exchange.request.get("model"):
        return exchange.request["model"]
    if not exchange.url:
        found = re.search(rb'"model(?:Version)?": ?"([^"]+)"', exchange.body)
        return found[1].decode() if found else {"cohere": "command-a-03-2025"}.get(recorded.protocol_of(exchange), "some-model")
    found = re.search(r"/(?:models?|deployments)/([^/:]*(?::\d+)?(?=[:/]))", urllib.parse.unquote(recorded.path_of(exchange)))
    return found[1] if found else "some-model"


def streamed(exchange):
    return bool(exchange.request.get("stream")) or "stream" in recorded.path_of(exchange).rpartition("/")[2].lower()


def provider_of(exchange):
    protocol = recorded.protocol_of(exchange)
    return recorded.service_of(exchange) if protocol == "openai" else protocol


class Mock(Provider):
    """Keeps what it is asked; answers what it is told to, else that it will not."""

    def __init__(self):
        super().__init__()
        self.asked, self.answer = [], None

    def _answer(self, request):
        if request.target.startswith("/file/"):
            request.send(reply(base64.b64decode(PNG), content_type="image/png"))
            return KEEP
        self.asked.append(json.loads(request.body))
        if self.answer:
            body, kind = self.answer
            request.send(reply(body, content_type=kind))
        else:
            request.send(reply({"error": {"type": "invalid_request_error", "message": "no"}, "message": "no"}, "400 Bad Request"))
        return KEEP


def gateway_for(mock, exchanges):
    """Every model of every provider that was recorded."""
    host, wanted = f"http://127.0.0.1:{mock.port}", sorted({(provider_of(e), model_of(e)) for e in exchanges})
    bases = {"gemini": "/v1beta", "vertex": "/v1/projects/p/locations/l", "cohere": "/v2", "bedrock": ""}
    providers = []
    for slug in sorted({slug for slug, _ in wanted}):
        protocol = slug if slug in DIALECTS + ("azure",) and slug != "responses" else "openai"
        providers.append({"id": slug, "protocol": protocol, "base_url": host + bases.get(slug, "/v1")}
                         | (AWS if slug == "bedrock" else {"api_key": "sk-upstream"}))
    models = [{"id": f"{slug}/{model}", "endpoints": [{"provider": slug, "model": model, "context_length": 1000000,
                                                       "max_completion_tokens": 128000, "pricing": PRICES}
                                                      | ({"api": "responses"} if slug == "responses" else {})]}
              for slug, model in wanted]
    return Gateway(harness.config() | {"providers": providers, "models": models, "upstream": {"fetch_private": True}}).start()


class Requests(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.exchanges = [e for e in recorded.everything() if not recorded.other(e) and e.request is not None]
        cls.mock = Mock()
        cls.gateway = gateway_for(cls.mock, cls.exchanges)

    def ask(self, exchange, chat):
        """A member that the gateway would leave out makes it refuse: then nothing comes through."""
        body = chat | {"model": f"{provider_of(exchange)}/{model_of(exchange)}", "provider": {"require_parameters": True}}
        del self.mock.asked[:]
        response = self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body).encode())
        return response, self.mock.asked[-1] if self.mock.asked else None

    def chat_of(self, exchange, dialect):
        if dialect in ("openai", "azure"):
            return exchange.request
        if dialect in ("gemini", "vertex"):
            text = json.dumps(getattr(inverse, dialect)(exchange.request, streamed(exchange)))
            return json.loads(re.sub(r'"https://[^"]*\.(png)"', rf'"http://127.0.0.1:{self.mock.port}/file/it.\1"', text))
        if dialect == "bedrock":
            return inverse.bedrock(exchange.request, streamed(exchange), "anthropic" in model_of(exchange))
        return getattr(inverse, dialect)(exchange.request)

    def check(self, dialect):
        used, seen = collections.Counter(), 0
        for exchange in self.exchanges:
            if recorded.protocol_of(exchange) != dialect or unasked(exchange):
                continue
            with self.subTest(exchange.name):
                response, found = self.ask(exchange, self.chat_of(exchange, dialect))
                seen += 1
                if found is None and exchange.status == 400 and response.status == 400:
                    continue  # what the provider refused is refused before
                self.assertIsNotNone(found, f"not asked: {response}")
                left = settled(dialect, exchange.request, found, used)
                if left:
                    self.fail("\n".join(left + [f"told as dropped: {response.field('x-signalbox-dropped')}"]))
        print(f"     {dialect}: {seen} requests there and back; " + ", ".join(f"{n} {name}" for name, n in used.most_common()))
        for function in RULES[dialect]:
            if seen and not used[function.__name__]:
                print(f"     {dialect}: nothing needs the rule {function.__name__}")

    def test_anthropic(self):
        self.check("anthropic")

    def test_gemini(self):
        self.check("gemini")

    def test_vertex(self):
        self.check("vertex")

    def test_bedrock(self):
        self.check("bedrock")

    def test_cohere(self):
        self.check("cohere")

    def test_mistral(self):
        self.check("mistral")

    def test_responses(self):
        self.check("responses")

    def test_openai(self):
        self.check("openai")

    def test_azure(self):
        self.check("azure")


# --- replies that come back ---


def message_of(response):
    """What a client keeps of an answer: the message as it is, or put together from the pieces."""
    if "event-stream" not in response.field("content-type"):
        return response.json["choices"][0]["message"]
    choice = expected.openai_message([c for c in response.events() if c != "[DONE]"])[0]
    message, details = {"role": "assistant"} | choice["message"], {}
    for n, piece in enumerate(message.pop("reasoning_details", [])):
        whole = details.setdefault(piece.get("index", n), {})
        for name, value in piece.items():
            joined = name in ("text", "signature", "summary", "data") and isinstance(value, str)
            whole[name] = whole.get(name, "") + value if joined else value
    if details:
        message["reasoning_details"] = list(details.values())
    if not message["tool_calls"]:
        del message["tool_calls"]
    return message


# Services that want earlier reasoning back, each under its own name (../shared/providers/openai-compatible.md); others are not sent any.
TAKES_REASONING = {"deepseek", "cerebras", "z-ai", "moonshotai", "openrouter"}


class Replies(unittest.TestCase):
    """What a provider answered comes back to it with the next question: the same blocks, byte for byte."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.exchanges = [e for e in recorded.everything() if not recorded.other(e) and e.status == 200]
        cls.mock = Mock()
        cls.gateway = gateway_for(cls.mock, cls.exchanges)

    def ask(self, exchange, messages, **more):
        body = {"model": f"{provider_of(exchange)}/{model_of(exchange)}", "messages": messages} | more
        return self.gateway.call("POST", "/api/v1/chat/completions", json.dumps(body).encode())

    def answered(self, exchange):
        self.mock.answer = exchange.body, exchange.content_type
        response = self.ask(exchange, [{"role": "user", "content": "Question"}], stream=exchange.streamed)
        self.mock.answer = None
        self.assertEqual(response.status, 200, response)
        return message_of(response)

    def asked_next(self, exchange, message):
        calls = message.get("tool_calls", [])
        results = [{"role": "tool", "tool_call_id": call["id"], "content": f"Result {n}"} for n, call in enumerate(calls)]
        names = sorted({call["function"]["name"] for call in calls})
        more = {"tools": [inverse.function(name, "", {"type": "object", "properties": {}}) for name in names]} if names else {}
        del self.mock.asked[:]
        response = self.ask(exchange, [{"role": "user", "content": "Question"}, message]
                            + (results or [{"role": "user", "content": "Next"}]), **more)
        self.assertTrue(self.mock.asked, response)
        return self.mock.asked[-1]

    def check(self, dialect):
        read, seen = getattr(turns, "read_" + dialect), 0
        for exchange in self.exchanges:
            if recorded.protocol_of(exchange) != dialect:
                continue
            turn = turns.of_reply(dialect, exchange)
            if turn is None:
                continue
            with self.subTest(exchange.name):
                message = self.answered(exchange)
                wanted, found = read(turn), read(turns.of_request(dialect, self.asked_next(exchange, message)))
                # Why a model declined is its text when it comes back.
                wanted = wanted[0], wanted[1] + (message.get("refusal") or ""), wanted[2]
                if dialect == "mistral":  # its alphabet: nine letters and digits; any other is made one of them
                    wanted = (*wanted[:2], [(new[0] if not re.fullmatch("[A-Za-z0-9]{9}", old[0]) else old[0], *old[1:])
                                            for old, new in zip(wanted[2], found[2])])
                wanted = (*wanted[:2], [(new[0] if old[0] is None and dialect == "responses" else old[0], *old[1:])
                                        for old, new in zip(wanted[2], found[2])] if len(wanted[2]) == len(found[2]) else wanted[2])
                for what, one, other in zip(("opaque", "text", "calls"), wanted, found):
                    self.assertEqual(other, one, what)
                seen += 1
        print(f"     {dialect}: {seen} answers sent back")

    def test_anthropic(self):
        self.check("anthropic")

    def test_gemini(self):
        self.check("gemini")

    def test_vertex(self):
        self.check("vertex")

    def test_bedrock(self):
        self.check("bedrock")

    def test_cohere(self):
        self.check("cohere")

    def test_mistral(self):
        self.check("mistral")

    def test_responses(self):
        self.check("responses")

    def test_spliced(self):
        """Between the same dialects the message comes as the client got it."""
        seen = 0
        for exchange in self.exchanges:
            if recorded.protocol_of(exchange) not in ("openai", "azure"):
                continue
            given = (expected.azure(exchange.body, exchange.streamed) if recorded.protocol_of(exchange) == "azure" else
                     expected.openai(exchange.body, exchange.streamed, recorded.service_of(exchange)))
            if isinstance(given, str):
                continue
            with self.subTest(exchange.name):
                message = self.answered(exchange)
                found = turns.of_request("openai", self.asked_next(exchange, message))
                told, place = "", recorded.service_of(exchange)
                for name in ("reasoning", "reasoning_content", "reasoning_details"):
                    message.pop(name, None)
                    told = found.pop(name, None) or told
                tags = re.fullmatch(r"<think>(.*)</think>\s*(.*)", found.get("content") or "", re.S)
                if tags and given.reasoning.strip():
                    told, found["content"] = tags[1], tags[2]
                self.assertEqual(found, message)
                if place in TAKES_REASONING and given.reasoning:
                    if not isinstance(told, str):
                        told = "".join(detail.get("text") or detail.get("summary") or "" for detail in told)
                    self.assertIn(given.reasoning.strip()[:200], told)
                self.assertEqual(found.get("content") or "", given.text)
                self.assertEqual([(c["function"]["name"], expected.arguments(c["function"]["arguments"])) for c in found.get("tool_calls", [])],
                                 [call[:2] for call in given.calls])
                seen += 1
        print(f"     spliced: {seen} answers sent back")


if __name__ == "__main__":
    unittest.main()
