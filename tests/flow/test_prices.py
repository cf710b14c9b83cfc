"""Usage bodies of many providers and the prices one must get for them (../shared/catalogue/genai-prices, other people's data):
each body goes through the gateway as a provider's reply, and its cost must be exact to the last digit.
"""

import collections
import decimal
import gzip
import json
import os
import pathlib
import unittest
from decimal import Decimal

import harness
from harness import Gateway
from upstream import KEEP, Provider, fault, reply

HOME = pathlib.Path(os.environ.get("SIGNALBOX_PRICES") or harness.ROOT.parent / "shared/catalogue/genai-prices")
decimal.getcontext().prec = 40

# (provider, API flavour) of the data: our protocol, and the reply around a usage object.
CHAT = lambda usage: {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                      "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}
SPEAKS = {
    ("anthropic", "default"): ("anthropic", {}, lambda u: {"id": "m", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": u}),
    ("google", "default"): ("gemini", {}, lambda u: {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], "usageMetadata": u}),
    ("openai", "responses"): ("openai", {"api": "responses"}, lambda u: {"id": "r", "status": "completed", "output": [], "usage": u}),
    ("mistral", "default"): ("mistral", {}, CHAT), ("groq", "default"): ("openai", {}, CHAT),
}


def speaks(told):
    """How the gateway is to speak with it; None when it does not."""
    plain = ("openai", {}, CHAT) if told["api_flavor"] == "chat" and told["provider_id"] not in ("google", "anthropic", "azure") else None
    return SPEAKS.get((told["provider_id"], told["api_flavor"]), plain)


KEYS = {"prompt": "input_mtok", "completion": "output_mtok", "input_cache_read": "cache_read_mtok", "input_cache_write": "cache_write_mtok",
        "input_cache_write_1h": "cache_write_1h_mtok", "audio": "input_audio_mtok", "audio_output": "output_audio_mtok"}


def setUpModule():
    if not HOME.is_dir():
        raise unittest.SkipTest("no price data here")


tearDownModule = harness.finish


def matches(rule, name):
    kind, value = next(iter(rule.items()))
    if kind in ("or", "and"):
        return (any if kind == "or" else all)(matches(r, name) for r in value)
    return {"equals": name == value, "starts_with": name.startswith(str(value)), "ends_with": name.endswith(str(value)),
            "contains": str(value) in name}.get(kind, False)


def price_sets(provider, model):
    """Every set of prices the model has or had there, as USD per token."""
    for entry in provider["models"]:
        if not matches(entry["match"], model):
            continue
        variants = entry["prices"] if isinstance(entry["prices"], list) else [{"prices": entry["prices"]}]
        for variant in reversed(variants):
            yield variant["prices"]
        return


def per_token(prices):
    made = {}
    for ours, theirs in KEYS.items():
        value = prices.get(theirs)
        if isinstance(value, dict):
            value = value["base"]  # the first tier; longer prompts are left out below
        if value is not None:
            made[ours] = f"{Decimal(str(value)) / 10 ** 6:.15f}"  # ours have 15 places
    return made


class Prices(unittest.TestCase):
    def test_every_usage_body(self):
        usages = json.load(gzip.open(HOME / "usages.json.gz"))
        providers = {p["id"]: p for p in json.load(open(HOME / "data_v2.json"))}
        left, cases = collections.Counter(), []
        for entry in usages:
            body = entry["body"]
            usage = body.get("usage") or body.get("usageMetadata")
            chosen = next(((e, t) for e in entry["extracted"] for t in e["extractors"]
                           if speaks(t) and "input_price" in t), None)
            if not usage or not chosen:
                left["no price in the data for a protocol of ours"] += 1
                continue
            extracted, told = chosen
            sets = list(price_sets(providers[told["provider_id"]], entry["model"]))
            if not sets:
                left["the model's price is found by a rule we do not follow"] += 1
                continue
            cases.append((entry, usage, extracted["usage"], told, sets))
        current = {}
        provider = Provider({"now": lambda r: r.send(reply(current["reply"])) or KEEP})
        slugs = {kind[0]: {"id": f"p-{kind[0]}", "protocol": kind[0], "base_url": provider.url, "api_key": "k"} for kind in SPEAKS.values()}
        models = {}
        for _, _, _, told, sets in cases:
            for prices in sets:
                kind = speaks(told)
                key = json.dumps([kind[0], kind[1], per_token(prices)])
                models.setdefault(key, {"id": f"t/{len(models)}", "endpoints": [
                    {"provider": f"p-{kind[0]}", "model": "m", "context_length": 10 ** 8, "pricing": per_token(prices)} | kind[1]]})
        gateway = Gateway({"server": {"listen": "127.0.0.1:0", "workers": 1}, "auth": {"keys": [{"name": "t", "key": harness.KEY}]},
                           "providers": list(slugs.values()), "models": list(models.values())}).start()
        exact = 0
        for entry, usage, counts, told, sets in cases:
            kind = speaks(told)
            wanted = (Decimal(told["input_price"]), Decimal(told.get("output_price", "0")))
            found = []
            for prices in sets:
                current["reply"] = kind[2](usage)
                model = models[json.dumps([kind[0], kind[1], per_token(prices)])]["id"]
                response = gateway.chat(fault("now"), model=model)
                self.assertEqual(response.status, 200, response)
                details = json.loads(response.body, parse_float=Decimal)["usage"]["cost_details"]
                found.append((Decimal(details["upstream_inference_prompt_cost"]), Decimal(details["upstream_inference_completions_cost"])))
                if found[-1] == wanted:
                    break
            if wanted in found:
                exact += 1
            elif counts.get("web_searches"):
                left["web searches have a price there"] += 1
            elif any(isinstance(v, dict) and max(usage.get("input_tokens", 0), usage.get("promptTokenCount", 0)) > 100000
                     for prices in sets for v in prices.values()):
                left["tiered prices"] += 1
            elif "cache_audio_read_tokens" in counts or any("image" in k or "video" in k for k in counts):
                left["prices by modality that ours do not have"] += 1
            else:
                self.fail(f"{entry['body'].get('file')}: {told} {usage} {counts} wanted {wanted}, found {found}, {sets}")
        print(f"     prices: {exact} usage bodies exact; left out: {dict(left)}")
        self.assertGreater(exact, 800)


if __name__ == "__main__":
    unittest.main()
