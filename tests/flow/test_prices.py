"""Usage bodies of many providers, the counts they stand for and the prices one must get for them
(../shared/catalogue/genai-prices, other people's data). Each body goes through the gateway as a provider's reply:

  counts   once in the dialect it was recorded in, at prices of our own that differ for every kind of token: the counts
           the client gets and the cost must be what the data's counts give
  prices   for every price the data has for it, in the dialect and at the prices (tiers, hours, fees) of that provider:
           the cost must be the data's, to the last digit

What differs must be explained by a rule below, which says what the data's reading of a body leaves out.
"""

import collections
import decimal
import gzip
import json
import os
import pathlib
import re
import unittest
from decimal import Decimal

import harness
from harness import Gateway
from upstream import KEEP, Provider, fault, reply

HOME = pathlib.Path(os.environ.get("SIGNALBOX_PRICES") or harness.ROOT.parent / "shared/catalogue/genai-prices")
decimal.getcontext().prec = 60

# --- dialects ---


def chat(usage):
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}


# Our protocol, what else the endpoint needs, and the reply around a usage object.
DIALECTS = {
    "chat": ("openai", {}, chat),
    "mistral": ("mistral", {}, chat),
    "responses": ("openai", {"api": "responses"},
                  lambda u: {"id": "r", "status": "completed", "usage": u, "output": [
                      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]}),
    "anthropic": ("anthropic", {}, lambda u: {"id": "m", "type": "message", "role": "assistant", "stop_reason": "end_turn",
                                              "content": [{"type": "text", "text": "x"}], "usage": u}),
    "gemini": ("gemini", {}, lambda u: {"usageMetadata": u, "candidates": [
        {"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}]}),
    "bedrock": ("bedrock", {}, lambda u: {"stopReason": "end_turn", "usage": u, "output": {
        "message": {"role": "assistant", "content": [{"text": "x"}]}}}),
    "cohere": ("cohere", {}, lambda u: {"id": "c", "finish_reason": "COMPLETE", "usage": u, "message": {
        "role": "assistant", "content": [{"type": "text", "text": "x"}]}}),
}
CREDENTIALS = {"bedrock": {"region": "us-east-1", "api_key": "k"}}


def dialect_of(told):
    """In which dialect a reading of the data is; None when it is of no chat."""
    provider, flavor = told["provider_id"], told["api_flavor"]
    if flavor in ("chat", "responses", "anthropic"):
        return flavor
    if flavor == "default":
        return {"google": "gemini", "aws": "bedrock", "minimax": "anthropic", "groq": "chat", "perplexity": "chat",
                "x-ai": "chat"}.get(provider, provider)
    return "cohere" if flavor == "tokens" else None  # embeddings


def recorded_in(usage):
    """The dialect a usage object was recorded in, and whose reading of it (provider, flavour) is the whole one."""
    if "inputTokens" in usage:
        return "bedrock", ("aws", "default")
    if "tokens" in usage or "billed_units" in usage:
        return "cohere", ("cohere", "tokens")
    if "input_tokens" in usage:
        anthropic = "cache_read_input_tokens" in usage
        return ("anthropic", ("anthropic", "default")) if anthropic else ("responses", ("openai", "responses"))
    if "prompt_tokens" in usage:
        reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
        beside = reasoning and usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + reasoning
        if "num_cached_tokens" in usage:
            return "mistral", ("mistral", "default")
        return "chat", ("x-ai" if beside else "openai", "chat")
    return "gemini", ("google", "default")


# --- prices ---

KEYS = {"prompt": "input_mtok", "completion": "output_mtok", "input_cache_read": "cache_read_mtok", "input_cache_write": "cache_write_mtok",
        "input_cache_write_1h": "cache_write_1h_mtok", "audio": "input_audio_mtok", "audio_output": "output_audio_mtok",
        "input_audio_cache": "cache_audio_read_mtok", "image_token": "input_image_mtok", "image_output": "output_image_mtok",
        "video": "input_video_mtok", "video_output": "output_video_mtok", "internal_reasoning": "output_reasoning_mtok",
        "request": "requests_kcount", "web_search": "web_searches_kcount"}
# At which no two mixtures of tokens cost the same.
OWN = {key: f"0.{'0' * 5}{number ** 3:010d}" for number, key in enumerate(
    [k for k in KEYS if k != "request"], start=101)}


def text(price, theirs):
    """USD a unit, of which ours have 15 places."""
    return f"{Decimal(str(price)) / (1000 if theirs.endswith('kcount') else 10 ** 6):.15f}"


def ours(prices):
    """A set of the data's prices as ours: what stands in tiers becomes overrides."""
    pricing, tiers = {}, collections.defaultdict(dict)
    for key, theirs in KEYS.items():
        price = prices.get(theirs)
        if isinstance(price, dict):
            for tier in price["tiers"]:
                tiers[tier["start"]][key] = text(tier["price"], theirs)
            price = price["base"]
        if price is not None:
            pricing[key] = text(price, theirs)
    if tiers:
        pricing["overrides"] = [{"min_prompt_tokens": start} | tiers[start] for start in sorted(tiers)]
    return pricing


def matches(rule, name):
    name, (kind, value) = name.lower(), next(iter(rule.items()))
    if kind in ("or", "and"):
        return (any if kind == "or" else all)(matches(r, name) for r in value)
    return {"equals": lambda: name == value, "starts_with": lambda: name.startswith(str(value)), "ends_with": lambda: name.endswith(str(value)),
            "contains": lambda: str(value) in name, "regex": lambda: bool(re.search(value, name))}[kind]()


def price_sets(providers, provider, model):
    """Every set of prices the model has or had there, the latest first; also those of some hours, each by itself: when
    the data's price was reckoned is not told."""
    for entry in provider["models"]:
        if matches(entry["match"], model):
            variants = entry["prices"] if isinstance(entry["prices"], list) else [{"prices": entry["prices"]}]
            return [ours(variant["prices"]) for variant in reversed(variants)]
    for name in provider.get("fallback_model_providers", []):
        sets = price_sets(providers, providers[name], model)
        if sets:
            return sets
    return []


# Where no price of its own is given, the price of this.
INSTEAD = {"input_cache_read": "prompt", "input_cache_write": "prompt", "input_cache_write_1h": "input_cache_write", "audio": "prompt",
           "image_token": "prompt", "video": "prompt", "input_audio_cache": "input_cache_read", "internal_reasoning": "completion",
           "audio_output": "completion", "image_output": "completion", "video_output": "completion"}


def reckon(counts, pricing):
    """What counts cost, another way than ours: (prompt, completion, all), each token once at the price of its kind."""
    n = collections.Counter(counts)
    holds = dict(pricing)
    for other in holds.pop("overrides", []):
        if n["input_tokens"] > other["min_prompt_tokens"]:
            holds.update(other)

    def price(key):
        while key not in holds and key in INSTEAD:
            key = INSTEAD[key]
        return Decimal(holds.get(key, 0))

    cached = {kind: n[f"cache_{kind}_read_tokens"] for kind in ("audio", "image", "video")}
    hour = n["cache_write_1h_tokens"]
    parts = {"input_audio_cache": cached["audio"], "input_cache_read": n["cache_read_tokens"] - cached["audio"],
             "input_cache_write_1h": hour, "input_cache_write": n["cache_write_tokens"] - hour}
    parts |= {key: n[f"input_{kind}_tokens"] - cached[kind] for key, kind in (("audio", "audio"), ("image_token", "image"), ("video", "video"))}
    made = {"internal_reasoning": n["output_reasoning_tokens"]}
    made |= {f"{kind}_output": n[f"output_{kind}_tokens"] for kind in ("audio", "image", "video")}
    prompt = (n["input_tokens"] - sum(parts.values())) * price("prompt") + sum(c * price(k) for k, c in parts.items())
    completion = (n["output_tokens"] - sum(made.values())) * price("completion") + sum(c * price(k) for k, c in made.items())
    every = prompt + completion + n["web_searches"] * price("web_search") + price("request")
    return tuple(amount.quantize(Decimal("1e-12"), decimal.ROUND_HALF_UP) for amount in (prompt, completion, every))


# --- rules: what a reading of the data leaves out ---

# Members that are counted in a dialect, by the data's names.
COUNTED = [
    ("mistral", "cache_read_tokens", ("num_cached_tokens",)),
    ("chat", "cache_write_tokens", ("prompt_tokens_details", "cache_write_tokens")),
    ("chat", "input_audio_tokens", ("prompt_tokens_details", "audio_tokens")),
    ("chat", "input_video_tokens", ("prompt_tokens_details", "video_tokens")),
    ("chat", "output_reasoning_tokens", ("completion_tokens_details", "reasoning_tokens")),
    ("chat", "output_image_tokens", ("completion_tokens_details", "image_tokens")),
    ("responses", "cache_write_tokens", ("input_tokens_details", "cache_write_tokens")),
    ("responses", "output_reasoning_tokens", ("output_tokens_details", "reasoning_tokens")),
    ("anthropic", "cache_write_1h_tokens", ("cache_creation", "ephemeral_1h_input_tokens")),
    ("anthropic", "output_reasoning_tokens", ("output_tokens_details", "thinking_tokens")),
    ("anthropic", "web_searches", ("server_tool_use", "web_search_requests")),
]


def number(usage, path):
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    return usage or 0


def completed(dialect, reading, counts, usage):
    """The counts of a reading, completed with the members it does not look at."""
    looks_at = [m["path"] if isinstance(m["path"], list) else [m["path"]] for m in reading["mappings"]]
    more = {dest: number(usage, path) for where, dest, path in COUNTED
            if where == dialect and list(path) not in looks_at and number(usage, path)}
    return counts | more


def beside(dialect, counts, usage):
    """Calls that Anthropic made beside the one that answered: it bills them, its sums and the data leave them out."""
    for call in (usage.get("iterations") or []) if dialect == "anthropic" else []:
        if call["type"] == "message":
            continue
        read, written = call["cache_read_input_tokens"], call["cache_creation_input_tokens"]
        counts = collections.Counter(counts) + collections.Counter({
            "input_tokens": call["input_tokens"] + read + written, "output_tokens": call["output_tokens"],
            "cache_read_tokens": read, "cache_write_tokens": written})
    return counts


class Data:
    def __init__(self):
        with gzip.open(HOME / "usages.json.gz") as file:
            self.usages = json.load(file)
        with open(HOME / "data_v2.json", encoding="utf-8") as file:
            self.providers = {p["id"]: p for p in json.load(file)}

    def reading(self, provider, flavor):
        return next(x for x in self.providers[provider]["extractors"] if x["api_flavor"] == flavor)


def setUpModule():
    if not HOME.is_dir():
        raise unittest.SkipTest("no price data here")


tearDownModule = harness.finish


class Prices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = Data()
        cls.current = {}
        cls.provider = Provider({"now": lambda r: r.send(reply(cls.current["reply"])) or KEEP})

    def start(self, wanted):
        """A gateway with a model for each dialect and pricing asked for; their ids."""
        models = {}
        for dialect, pricing in wanted:
            protocol, more, _ = DIALECTS[dialect]
            models.setdefault(json.dumps([dialect, pricing]), {"id": f"t/{len(models)}", "endpoints": [
                {"provider": f"p-{protocol}", "model": "m", "context_length": 10 ** 8, "pricing": pricing} | more]})
        providers = [{"id": f"p-{protocol}", "protocol": protocol, "base_url": self.provider.url} | CREDENTIALS.get(protocol, {"api_key": "k"})
                     for protocol in sorted({d[0] for d in DIALECTS.values()})]
        self.gateway = Gateway({"server": {"listen": "127.0.0.1:0", "workers": 1}, "auth": {"keys": [{"name": "t", "key": harness.KEY}]},
                                "providers": providers, "models": list(models.values())}).start()
        return {key: model["id"] for key, model in models.items()}

    def ask(self, models, dialect, pricing, usage):
        """The usage object the client gets, numbers as decimals."""
        self.current["reply"] = DIALECTS[dialect][2](usage)
        response = self.gateway.chat(fault("now"), model=models[json.dumps([dialect, pricing])])
        self.assertEqual(response.status, 200, response)
        return json.loads(response.body, parse_float=Decimal)["usage"]

    def test_counts(self):
        models, met = self.start((dialect, OWN) for dialect in DIALECTS), collections.Counter()
        for entry in self.data.usages:
            usage = entry["body"].get("usage") or entry["body"].get("usageMetadata")
            readings = {(t["provider_id"], t["api_flavor"]): e["usage"] for e in entry["extracted"] for t in e["extractors"]}
            if not usage or all(flavor == "embeddings" for _, flavor in readings):
                met["no chat"] += 1
                continue
            dialect, whose = recorded_in(usage)
            counts = completed(dialect, self.data.reading(*whose), readings[whose], usage)
            billed = readings[("cohere", "default")] if dialect == "cohere" else counts
            got = self.ask(models, dialect, OWN, usage)
            details, made = got["prompt_tokens_details"], got["completion_tokens_details"]
            seen = {"input_tokens": got["prompt_tokens"], "output_tokens": got["completion_tokens"], "cache_read_tokens": details["cached_tokens"],
                    "cache_write_tokens": details.get("cache_write_tokens", 0), "output_reasoning_tokens": made["reasoning_tokens"]}
            if beside(dialect, counts, usage) == counts:
                self.assertEqual(seen, {key: counts.get(key, 0) for key in seen}, entry["body"])
                self.assertEqual(got["total_tokens"], usage.get("total_tokens") or got["prompt_tokens"] + got["completion_tokens"], entry["body"])
                self.assertEqual(cost_of(got), reckon(billed, OWN), entry["body"])
                met["as the data reads it" if counts == readings[whose] else "with what its reading leaves out"] += 1
            else:
                self.assertEqual(cost_of(got), reckon(billed, OWN)[:2] + reckon(beside(dialect, billed, usage), OWN)[2:], entry["body"])
                met["with calls beside"] += 1
        print(f"     counts of {len(self.data.usages)} usage bodies, and their cost at prices of our own: {dict(met)}")
        self.assertGreater(met["as the data reads it"], 1500)

    def test_prices(self):
        cases, met = [], collections.Counter()
        for entry in self.data.usages:
            usage = entry["body"].get("usage") or entry["body"].get("usageMetadata")
            for extracted in entry["extracted"]:
                for told in extracted["extractors"]:
                    dialect = dialect_of(told)
                    if "input_price" not in told:
                        met["without a price"] += 1
                    elif not dialect:
                        met["no chat"] += 1
                    else:
                        sets = price_sets(self.data.providers, self.data.providers[told["provider_id"]], entry["model"])
                        cases.append((usage, extracted["usage"], told, dialect, sets))
        models = self.start((dialect, pricing) for _, _, _, dialect, sets in cases for pricing in sets)
        for usage, counts, told, dialect, sets in cases:
            wanted = tuple(map(Decimal, (told["input_price"], told.get("output_price", "0"))))
            wanted += (Decimal(told.get("total_price", sum(wanted))),)
            # The prices that held when the data's was reckoned are those that give it.
            pricing = next((p for p in sets if reckon(counts, p) == wanted), None)
            self.assertIsNotNone(pricing, (told, usage, counts, sets))
            whole = completed(dialect, self.data.reading(told["provider_id"], told["api_flavor"]), counts, usage)
            found = cost_of(self.ask(models, dialect, pricing, usage))
            if beside(dialect, whole, usage) != whole:
                # They are in the whole cost, not in that of the tokens that are shown.
                self.assertEqual(found, reckon(whole, pricing)[:2] + reckon(beside(dialect, whole, usage), pricing)[2:], (told, usage))
                met["with calls beside"] += 1
                continue
            self.assertEqual(found, reckon(whole, pricing), (told, usage, counts, pricing))
            met["exact" if found == wanted else "exact with what its reading leaves out"] += 1
        print(f"     prices of {sum(met.values())} readings of them: {dict(met)}")
        self.assertGreater(met["exact"], 3050)
        self.assertLess(met["exact with what its reading leaves out"], 20)


def cost_of(usage):
    costs = usage["cost_details"]
    return tuple(Decimal(n) for n in (costs["upstream_inference_prompt_cost"], costs["upstream_inference_completions_cost"], usage["cost"]))


if __name__ == "__main__":
    unittest.main()
