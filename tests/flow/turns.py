"""An assistant's turn in each provider's form: as the provider said it, and as it is sent back. For test_round_trip.py."""

import copy
import json

import expected


# --- what is in it ---


def read_anthropic(blocks):
    """(what only the provider needs back, text, calls) of an assistant's turn; so do all of these."""
    opaque = [b for b in blocks if b["type"] not in ("text", "tool_use", "fallback")]  # the last only tells who answered
    return opaque, "".join(b["text"] for b in blocks if b["type"] == "text"), [
        (b["id"], b["name"], b["input"] if isinstance(b["input"], dict) else {"input": b["input"]})  # cut off: no object
        for b in blocks if b["type"] == "tool_use"]


def read_gemini(parts):
    """Summaries of thoughts are for reading and not sent back: what carries them on is their signature."""
    calls = [p for p in parts if "functionCall" in p]
    others = [p for p in parts if "functionCall" not in p]
    return ([p["thoughtSignature"] for p in others if "thoughtSignature" in p],
            "".join(p.get("text", "") for p in others if not p.get("thought")),
            [(p["functionCall"].get("id"), p["functionCall"]["name"], p["functionCall"].get("args", {}),
              None if p.get("thoughtSignature") == "skip_thought_signature_validator" else p.get("thoughtSignature")) for p in calls])


read_vertex = read_gemini


def read_bedrock(blocks):
    """Reasoning that nothing proves goes back to DeepSeek R1 alone (aws-bedrock.md 5)."""
    text = "".join(b.get("text", "") + "".join(p["text"] for p in b.get("citationsContent", {}).get("content", [])) for b in blocks)
    opaque = [b for b in blocks if "redactedContent" in b.get("reasoningContent", {})
              or b.get("reasoningContent", {}).get("reasoningText", {}).get("signature")]
    return opaque, text, [(b["toolUse"]["toolUseId"], b["toolUse"]["name"], b["toolUse"]["input"]) for b in blocks if "toolUse" in b]


def read_chat(message):
    """Cohere and Mistral: thinking among the parts; Cohere's plan beside them."""
    content = message.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    thinking = [p["thinking"] if isinstance(p["thinking"], str) else "".join(t["text"] for t in p["thinking"])
                for p in parts if p["type"] == "thinking"]
    calls = [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"] or "null") or {}) for c in message.get("tool_calls") or []]
    return ["".join(thinking), message.get("tool_plan") or ""], "".join(p["text"] for p in parts if p["type"] == "text"), calls


read_cohere = read_mistral = read_chat


def read_responses(items):
    """Reasoning goes back where it is encrypted, with its summary or its text; what the service ran itself without what it found."""
    opaque, texts, calls = [], [], []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            texts += [part.get("text", "") for part in item["content"]]
        elif kind == "reasoning" and item.get("encrypted_content"):
            opaque.append((item["encrypted_content"], [part["text"] for part in item.get("summary") or item.get("content") or []]))
        elif kind in ("function_call", "custom_tool_call"):
            calls += responses_calls(item)
        elif kind.endswith("_call"):
            opaque.append((kind, {name: value for name, value in (item.get("action") or {}).items() if name != "sources"}))
    return opaque, "".join(texts), calls


def responses_calls(item):
    """A wrapper of several calls in one, which a model may leak, is taken off; its calls have no IDs of their own."""
    text = item.get("arguments", item.get("input"))
    value = expected.arguments(text)
    if isinstance(value, dict) and "tool_uses" in value:
        return [(None, use["recipient_name"].removeprefix("functions."), use["parameters"]) for use in value["tool_uses"]]
    return [(item["call_id"], item["name"], value)]


# --- where it is ---


def of_reply(dialect, exchange):
    """The assistant's turn as the provider said it; None: it said none."""
    body, streaming = exchange.body, exchange.streamed
    if not isinstance(getattr(expected, dialect)(body, streaming), expected.Answer):
        return None
    if dialect == "anthropic":
        return expected.anthropic_whole(body, streaming)["content"]
    if dialect in ("gemini", "vertex"):
        replies = expected.sse_json(body) if streaming else [json.loads(body)]
        return gemini_parts(p for r in replies for c in r.get("candidates", []) for p in c.get("content", {}).get("parts", []))
    if dialect == "bedrock":
        return expected.bedrock_whole(body, streaming)[0]
    if dialect == "responses":
        return expected.responses_whole(body, streaming)["output"]
    return of_chat(dialect, exchange)


def gemini_parts(pieces):
    """A call may come in pieces: each says what it adds to the one before."""
    made = []
    for part in pieces:
        piece = part.get("functionCall", {"name": ""})
        if "name" in piece:
            made.append(copy.deepcopy(part))
        for partial in piece.get("partialArgs", []):
            expected.set_path(made[-1]["functionCall"].setdefault("args", {}), partial["jsonPath"][1:], partial)
        if "functionCall" in part:
            made[-1]["functionCall"].pop("partialArgs", None)
    return made


def of_chat(dialect, exchange):
    if not exchange.streamed:
        reply = json.loads(exchange.body)
        return reply["message"] if dialect == "cohere" else reply["choices"][0]["message"]
    if dialect == "mistral":
        parts, calls = [], {}
        for chunk in expected.sse_json(exchange.body):
            delta = chunk["choices"][0]["delta"]
            content = delta.get("content") or []
            parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
            for n, call in enumerate(delta.get("tool_calls") or []):
                made = calls.setdefault(call.get("index", n), {"id": "", "function": {"name": "", "arguments": ""}})
                made["id"] = made["id"] or call.get("id")
                made["function"]["name"] += call["function"].get("name") or ""
                made["function"]["arguments"] += call["function"]["arguments"]
        return {"content": parts, "tool_calls": list(calls.values())}
    made = {"content": [], "tool_plan": "", "tool_calls": []}
    for event in expected.sse_json(exchange.body):
        message = event.get("delta", {}).get("message", {})
        content = message.get("content")
        if content:
            made["content"].append({"type": "thinking" if "thinking" in content else "text"} | content)
        made["tool_plan"] += message.get("tool_plan") or ""
        call = message.get("tool_calls")
        if event["type"] == "tool-call-start":
            made["tool_calls"].append(copy.deepcopy(call))
        elif event["type"] == "tool-call-delta":
            made["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
    return made


def of_request(dialect, body):
    """The assistant's turn in what the provider is asked next."""
    if dialect in ("anthropic", "bedrock"):
        return [b for m in body["messages"] if m["role"] == "assistant" for b in m["content"]]
    if dialect in ("gemini", "vertex"):
        return [p for c in body["contents"] if c["role"] == "model" for p in c["parts"]]
    if dialect == "responses":
        return [i for i in body["input"] if i.get("role") != "user" and i.get("type") != "function_call_output"]
    return next(m for m in body["messages"] if m["role"] == "assistant")
