"""What a request costs under conditions: long prompts, hours of the day, pictures by number, searches. Whole and streamed, spliced
and translated; the reply, the record and the catalogue tell the same.
"""

import json
import time
import unittest
from decimal import Decimal

import harness
from harness import Gateway, wait_for
from upstream import HANG, Provider, fault, reply, stream

tearDownModule = harness.finish

BASE = {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "request": "0.001", "web_search": "0.01"}
LONG = {"prompt": "0.000006", "completion": "0.0000225"}
LONGER = {"prompt": "0.000009", "input_cache_read": "0.0000009"}
TIERS = BASE | {"overrides": [{"min_prompt_tokens": 200000} | LONG, {"min_prompt_tokens": 500000} | LONGER]}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def hhmm(hours):
    return int(time.strftime("%H%M", time.gmtime(time.time() + hours * 3600)))


def usage(prompt, cached, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached}}


def chat_reply(told):
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": told,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}


def chat_events(told):
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return [chunk | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": None}]},
            chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, chunk | {"choices": [], "usage": told}, "[DONE]"]


def messages_usage(told):
    cached = told["prompt_tokens_details"]["cached_tokens"]
    return {"input_tokens": told["prompt_tokens"] - cached, "cache_read_input_tokens": cached, "output_tokens": told["completion_tokens"]}


def messages_reply(told):
    return {"id": "m", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn",
            "usage": messages_usage(told)}


def messages_events(told):
    return [{"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": messages_usage(told)}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": told["completion_tokens"]}},
            {"type": "message_stop"}]


class Pricing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.told = None
        answers = {"spliced": lambda r: cls.answer(r, chat_reply, chat_events), "translated": lambda r: cls.answer(r, messages_reply, messages_events),
                   "hangs": lambda r: cls.spoken(r)}
        cls.provider = Provider(answers)
        now = {"utc_start": hhmm(-2), "utc_end": hhmm(2)}
        later = {"utc_start": hhmm(4), "utc_end": hhmm(8)}
        prices = {
            "tiers": TIERS,
            "now": BASE | {"overrides": [now | {"completion": "0.000001"}]},
            "later": BASE | {"overrides": [later | {"completion": "0.000001"}]},
            "both": BASE | {"overrides": [now | {"min_prompt_tokens": 100, "prompt": "0.1"}, later | {"prompt": "0.2"}]},
            "pictures": BASE | {"image": "0.002", "overrides": [{"min_prompt_tokens": 1000, "image": "0.004"}]},
            "plain": BASE,
        }
        endpoint = {"model": "m", "context_length": 10 ** 7, "input_modalities": ["text", "image"]}
        cls.gateway = Gateway(harness.config() | dict(
            providers=[{"id": f"p-{p}", "protocol": p, "base_url": cls.provider.url, "api_key": "k"} for p in ("openai", "anthropic")],
            models=[{"id": f"{kind}/{name}", "endpoints": [endpoint | {"provider": f"p-{protocol}", "pricing": pricing}]}
                    for kind, protocol in (("spliced", "openai"), ("translated", "anthropic")) for name, pricing in prices.items()])).start()

    @classmethod
    def answer(cls, request, whole, events):
        if json.loads(request.body).get("stream"):
            return stream(*events(cls.told))(request)
        request.send(reply(whole(cls.told)))
        return "keep"

    def cost(self, model, told, streamed=False, content=None):
        type(self).told = told
        kind = model.split("/")[0]
        body = {"messages": [{"role": "user", "content": content(fault(kind))}]} if content else {}
        response = self.gateway.chat(fault(kind), model=model, stream=streamed, **body)
        self.assertEqual(response.status, 200, response)
        text = response.text.split("data: ")[-2] if streamed else response.text
        found = json.loads(text, parse_float=Decimal)["usage"]
        self.assertEqual(found["prompt_tokens"], told["prompt_tokens"])
        self.assertEqual(found["prompt_tokens_details"]["cached_tokens"], told["prompt_tokens_details"]["cached_tokens"])
        row = wait_for(lambda: self.gateway.generation(response.id), "the record")
        self.assertEqual(Decimal(str(json.loads(row.text, parse_float=Decimal)["data"]["total_cost"])), Decimal(found["cost"]))
        return Decimal(found["cost"])

    def expected(self, prices, prompt, cached, completion):
        price = {key: Decimal(value) for key, value in prices.items() if key != "overrides"}
        return ((prompt - cached) * price["prompt"] + cached * price["input_cache_read"] + completion * price["completion"] + price["request"])

    def test_long_prompts(self):
        for kind in ("spliced", "translated"):
            for streamed in (False, True):
                for prompt, cached in ((1, 0), (200000, 7), (200001, 0), (200001, 200001), (500000, 499999), (500001, 1), (10 ** 7, 0)):
                    prices = BASE | (LONG if prompt > 200000 else {}) | (LONGER if prompt > 500000 else {})
                    for _ in range(3):  # later replies take the short way
                        with self.subTest(kind=kind, streamed=streamed, prompt=prompt, cached=cached):
                            self.assertEqual(self.cost(f"{kind}/tiers", usage(prompt, cached, 13), streamed), self.expected(prices, prompt, cached, 13))

    def test_hours(self):
        for kind in ("spliced", "translated"):
            for streamed in (False, True):
                ask = lambda model, prompt: self.cost(f"{kind}/{model}", usage(prompt, 0, 1000), streamed)
                with self.subTest(kind=kind, streamed=streamed):
                    self.assertEqual(ask("now", 10), self.expected(BASE | {"completion": "0.000001"}, 10, 0, 1000))
                    self.assertEqual(ask("later", 10), self.expected(BASE, 10, 0, 1000))
                    self.assertEqual(ask("both", 100), self.expected(BASE, 100, 0, 1000))
                    self.assertEqual(ask("both", 101), self.expected(BASE | {"prompt": "0.1"}, 101, 0, 1000))

    def test_pictures_by_number(self):
        some = lambda text: [PICTURE, {"type": "text", "text": text}, PICTURE, PICTURE]
        for kind in ("spliced", "translated"):
            for streamed in (False, True):
                with self.subTest(kind=kind, streamed=streamed):
                    base = self.expected(BASE, 10, 0, 1)
                    self.assertEqual(self.cost(f"{kind}/pictures", usage(10, 0, 1), streamed, some), base + 3 * Decimal("0.002"))
                    self.assertEqual(self.cost(f"{kind}/pictures", usage(10, 0, 1), streamed), base)
                    self.assertEqual(self.cost(f"{kind}/plain", usage(10, 0, 1), streamed, some), base)
                    self.assertEqual(self.cost(f"{kind}/pictures", usage(1001, 0, 1), streamed, some), self.expected(BASE, 1001, 0, 1) + 3 * Decimal("0.004"))

    def test_searches(self):
        for more in ({"server_tool_use": {"web_search_requests": 3}}, {"num_search_queries": 3}):
            for streamed in (False, True):
                self.assertEqual(self.cost("spliced/plain", usage(10, 0, 1) | more, streamed), self.expected(BASE, 10, 0, 1) + Decimal("0.03"))

    def test_client_gone_pays_for_what_was_told(self):
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for told, text, completion in ((usage(1000, 600, 7), "x" * 20, 7), (usage(1000, 600, 1), "x" * 400, 100)):
            spoken = chunk | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}], "usage": told}
            type(self).spoken = stream(spoken, then=HANG, last=False)
            with self.gateway.connect() as raw:
                raw.request("POST", "/api/v1/chat/completions", harness.chat_body(fault("hangs"), True, "spliced/plain"))
                head = raw.response_head()
                while b"xxx" not in raw.chunk():
                    pass
            row = wait_for(lambda: (lambda r: r.status == 200 and json.loads(r.text, parse_float=Decimal)["data"])(self.gateway.generation(head.id)), "the record")
            self.assertTrue(row["cancelled"] and row["usage_estimated"], row)
            self.assertEqual((row["tokens_prompt"], row["native_tokens_cached"], row["tokens_completion"]), (1000, 600, completion))
            self.assertEqual(Decimal(row["total_cost"]), self.expected(BASE, 1000, 600, completion))

    def test_catalogue_tells_them(self):
        for path, place in (("/api/v1/models", lambda d: next(m for m in d["data"] if m["id"] == "spliced/tiers")["pricing"]),
                            ("/api/v1/models/spliced/tiers/endpoints", lambda d: d["data"]["endpoints"][0]["pricing"]),
                            ("/api/v1/model/spliced/tiers", lambda d: d["data"]["pricing"])):
            self.assertEqual(place(self.gateway.call("GET", path).json), TIERS)

    def test_check_says_where(self):
        wrong = Gateway(harness.config(self.provider, models=[{"id": "a/b", "endpoints": [{"provider": "mock", "pricing": BASE | {"overrides": [
            {"min_prompt_tokens": 5, "prompt": "-1"}, {"utc_start": 1275, "utc_end": 3, "prompt": "1"}]}}]}]))
        said = wrong.cli("check", status=1)
        lines = [line for line in (said.stdout + said.stderr).splitlines() if "overrides[]" in line]
        self.assertEqual(len(lines), 2, said)
        for line, name in zip(lines, ("prompt", "utc_start")):
            self.assertRegex(line, rf"signalbox\.yaml:\d+:\d+: .*overrides\[\]\.{name}: ")


if __name__ == "__main__":
    unittest.main()
