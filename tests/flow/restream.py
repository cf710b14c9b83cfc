"""A whole answer as the stream that would have brought it, and the other way: what only one of the two was recorded of is tried in
both. For test_both_ways.py.
"""

import copy
import json

import expected
from recorded import Exchange, aws_frame

SSE, AWS = "text/event-stream", "application/vnd.amazon.eventstream"


def halves(text):
    """A text in two pieces, as streams bring it; nothing for an empty one."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def events(list_of, named=True, done=False):
    body = b"".join((f"event: {e['type']}\n" if named else "").encode() + f"data: {json.dumps(e)}\n\n".encode() for e in list_of)
    return body + (b"data: [DONE]\n\n" if done else b"")


def as_stream(protocol, exchange):
    """The exchange with its whole reply as a stream; None: its reply is none that could be."""
    made = globals()["stream_" + protocol](json.loads(exchange.body))
    return Exchange(exchange.name, exchange.url, exchange.request, 200, made, AWS if protocol == "bedrock" else SSE)


def as_whole(protocol, exchange):
    """The exchange with its stream as a whole reply; None: it ends as an error, or is not taken together."""
    made = globals().get("whole_" + protocol)
    whole = made and made(exchange.body)
    return whole and Exchange(exchange.name, exchange.url, exchange.request, 200, json.dumps(whole).encode(), "application/json")


# --- Anthropic ---


def stream_anthropic(message):
    usage = message["usage"]
    made = [{"type": "message_start", "message": message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}},
            {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        deltas, start = [], dict(block)
        if block["type"] == "text":
            start = {"type": "text", "text": ""} | ({"citations": []} if block.get("citations") else {})
            deltas = [{"type": "citations_delta", "citation": c} for c in block.get("citations") or []]
            deltas += [{"type": "text_delta", "text": t} for t in halves(block["text"])]
        elif block["type"] == "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": t} for t in halves(block["thinking"])]
            deltas += [{"type": "signature_delta", "signature": block["signature"]}]
        elif block["type"] in ("tool_use", "server_tool_use"):
            start = block | {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": t} for t in ["", *halves(json.dumps(block["input"]))]]
        made.append({"type": "content_block_start", "index": index, "content_block": start})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    made.append({"type": "message_delta", "usage": usage,
                 "delta": {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")}})
    return events(made + [{"type": "message_stop"}])


def whole_anthropic(body):
    message = expected.anthropic_whole(body, True)
    if isinstance(message, str):
        return None
    for block in message["content"]:
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            return None  # cut off
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"} | message


# --- Gemini ---


def stream_gemini(whole):
    reply = whole[0] if isinstance(whole, list) else whole
    made, candidates = [], reply.get("candidates", [])
    for candidate in candidates[:1]:
        for part in candidate.get("content", {}).get("parts", []):
            texts = halves(part["text"]) if "text" in part and "thoughtSignature" not in part else None
            for piece in [part | {"text": text} for text in texts] if texts else [part]:
                made.append({"candidates": [{"content": {"role": "model", "parts": [piece]}, "index": 0}],
                             "usageMetadata": {"promptTokenCount": reply.get("usageMetadata", {}).get("promptTokenCount", 0)}})
    last = copy.deepcopy(reply)
    for candidate in last.get("candidates", []):
        candidate["content"] = {"role": "model", "parts": [{"text": ""}]}
    return events(made + [last], named=False).replace(b"\n", b"\r\n")


stream_vertex = stream_gemini


def whole_gemini(body):
    if isinstance(expected.gemini(body, True), str):
        return None
    replies = expected.sse_json(body)
    parts = [p for r in replies for c in r.get("candidates", []) for p in c.get("content", {}).get("parts", [])]
    if any("partialArgs" in p.get("functionCall", {}) for p in parts):
        return None
    whole, usage = {}, {}
    for reply in replies:
        usage |= reply.get("usageMetadata", {})
        for candidate in reply.get("candidates", []):
            made = whole.setdefault("candidates", [{}])[0]
            grounding = made.get("groundingMetadata", {})
            for name, value in candidate.get("groundingMetadata", {}).items():
                grounding[name] = grounding.get(name, []) + value if isinstance(value, list) else value
            made |= candidate | ({"groundingMetadata": grounding} if grounding else {})
        whole |= {name: value for name, value in reply.items() if name not in ("candidates", "usageMetadata")}
    if "candidates" in whole:
        whole["candidates"][0]["content"] = {"role": "model", "parts": parts}
    return whole | {"usageMetadata": usage}


whole_vertex = whole_gemini


# --- Bedrock ---


def stream_bedrock(reply):
    frames = [("messageStart", {"role": "assistant", "p": "abc"})]
    for index, block in enumerate(reply["output"]["message"]["content"]):
        deltas = [{"text": t} for t in halves(block.get("text", ""))]
        reasoning = block.get("reasoningContent", {})
        deltas += [{"reasoningContent": {"text": t}} for t in halves(reasoning.get("reasoningText", {}).get("text", ""))]
        if reasoning.get("reasoningText", {}).get("signature"):
            deltas.append({"reasoningContent": {"signature": reasoning["reasoningText"]["signature"]}})
        if "redactedContent" in reasoning:
            deltas.append({"reasoningContent": {"redactedContent": reasoning["redactedContent"]}})
        if "toolUse" in block:
            use = block["toolUse"]
            frames.append(("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {n: use[n] for n in ("toolUseId", "name")}}}))
            deltas += [{"toolUse": {"input": t}} for t in halves(json.dumps(use["input"])) if use["input"]]
        for part in block.get("citationsContent", {}).get("content", []):
            deltas += [{"text": t} for t in halves(part["text"])]
        deltas += [{"citation": c} for c in block.get("citationsContent", {}).get("citations", [])]
        frames += [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        frames.append(("contentBlockStop", {"contentBlockIndex": index}))
    frames.append(("messageStop", {"stopReason": reply["stopReason"]}))
    frames.append(("metadata", {name: reply[name] for name in ("usage", "metrics", "trace") if name in reply}))
    return b"".join(aws_frame(*frame) for frame in frames)


def whole_bedrock(body):
    whole = expected.bedrock_whole(body, True)
    if isinstance(whole, str) or any("citations" in block for block in whole[0]):
        return None
    content, usage, stop = whole
    return {"output": {"message": {"role": "assistant", "content": content}}, "usage": usage, "stopReason": stop, "metrics": {"latencyMs": 1}}


# --- Cohere ---


def stream_cohere(reply):
    message, made = reply["message"], []
    made.append({"type": "message-start", "id": reply["id"], "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}})
    made += [{"type": "tool-plan-delta", "delta": {"message": {"tool_plan": t}}} for t in halves(message.get("tool_plan") or "")]
    for index, part in enumerate(message.get("content") or []):
        kind = part["type"]
        made.append({"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}})
        made += [{"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: t}}}} for t in halves(part[kind])]
        made.append({"type": "content-end", "index": index})
    for index, call in enumerate(message.get("tool_calls") or []):
        head = call | {"function": call["function"] | {"arguments": ""}}
        made.append({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": head}}})
        made += [{"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": {"function": {"arguments": t}}}}}
                 for t in halves(call["function"]["arguments"])]
        made.append({"type": "tool-call-end", "index": index})
    for index, citation in enumerate(message.get("citations") or []):
        made.append({"type": "citation-start", "index": index, "delta": {"message": {"citations": citation}}})
        made.append({"type": "citation-end", "index": index})
    made.append({"type": "message-end", "delta": {"finish_reason": reply["finish_reason"], "usage": reply["usage"]}})
    return events(made, done=True)


# --- Mistral, and OpenAI's own ---


def stream_openai(reply):
    head = {name: value for name, value in reply.items() if name not in ("choices", "usage", "object")} | {"object": "chat.completion.chunk"}
    made = []
    for choice in reply["choices"]:
        deltas, message = [{"role": "assistant", "content": ""}], choice.get("message") or {}
        content = message.get("content") or []
        if message.get("reasoning_details"):  # they come together
            deltas.append({name: message[name] for name in ("reasoning", "reasoning_details") if message.get(name)})
            message = message | {"reasoning": None, "reasoning_details": None}
        for name in ("reasoning", "reasoning_content", "refusal"):
            deltas += [{name: t} for t in halves(message.get(name) or "")]
        for part in [content] if isinstance(content, str) else content:
            if isinstance(part, str):
                deltas += [{"content": t} for t in halves(part)]
            else:
                deltas.append({"content": [part]})
        for index, call in enumerate(message.get("tool_calls") or []):
            deltas.append({"tool_calls": [call | {"index": index, "function": call["function"] | {"arguments": ""}}]})
            deltas += [{"tool_calls": [{"index": index, "function": {"arguments": t}}]} for t in halves(call["function"]["arguments"])]
        more = {name: value for name, value in message.items()
                if name not in ("role", "content", "tool_calls", "reasoning", "reasoning_content", "refusal") and value is not None}
        deltas += [{name: value} for name, value in more.items()]
        others = {name: value for name, value in choice.items() if name not in ("message", "index", "finish_reason", "native_finish_reason")}
        made += [head | {"choices": [{"index": choice.get("index", 0), "delta": delta, "finish_reason": None}]} for delta in deltas]
        made.append(head | {"choices": [{"index": choice.get("index", 0), "delta": {}, "finish_reason": choice["finish_reason"]} | others]})
    made.append(head | {"choices": [], "usage": reply.get("usage")})
    return events(made, named=False, done=True)


def stream_mistral(reply):
    """Its usage comes with the finish."""
    chunks = expected.sse_json(stream_openai(reply))
    chunks[-2]["usage"] = chunks.pop()["usage"]
    return events([chunk | {"p": "abcdef"} for chunk in chunks], named=False, done=True)


def stream_azure(reply):
    """Begins with what its filter thought of the prompt."""
    filtered = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": reply.get("prompt_filter_results", [])}
    rest = {name: value for name, value in reply.items() if name != "prompt_filter_results"}
    return events([filtered], named=False) + stream_openai(rest)


# --- Responses ---


def stream_responses(response):
    made, base = [], {"status": "in_progress", "output": [], "usage": None}
    made += [{"type": f"response.{name}", "response": response | base} for name in ("created", "in_progress")]
    for place, item in enumerate(response["output"]):
        empty = {name: [] if isinstance(value, list) else "" if name in ("arguments", "input") else value
                 for name, value in item.items() if name not in ("encrypted_content", "result", "action")}
        made.append({"type": "response.output_item.added", "output_index": place, "item": empty | {"status": "in_progress"}})
        at = {"output_index": place, "item_id": item.get("id")}
        for n, part in enumerate(item.get("content") or [] if item["type"] == "message" else []):
            made += message_part(at | {"content_index": n}, part)
        for n, part in enumerate(item.get("summary") or []):
            made.append({"type": "response.reasoning_summary_part.added", "summary_index": n, "part": {"type": "summary_text", "text": ""}} | at)
            made += [{"type": "response.reasoning_summary_text.delta", "summary_index": n, "delta": t} | at for t in halves(part["text"])]
            made.append({"type": "response.reasoning_summary_text.done", "summary_index": n, "text": part["text"]} | at)
        for kind, name in (("function_call", "arguments"), ("custom_tool_call", "input")):
            if item["type"] == kind:
                event = "response.function_call_arguments" if kind == "function_call" else "response.custom_tool_call_input"
                made += [{"type": event + ".delta", "delta": t} | at for t in halves(item[name])]
                made.append({"type": event + ".done", name: item[name]} | at)
        made.append({"type": "response.output_item.done", "output_index": place, "item": item})
    end = "incomplete" if response["status"] == "incomplete" else "completed"
    made.append({"type": f"response.{end}", "response": response})
    return events([event | {"sequence_number": n} for n, event in enumerate(made)])


def message_part(at, part):
    kind, name = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
    yield {"type": "response.content_part.added", "part": {"type": part["type"], name: ""}} | at
    for text in halves(part[name]):
        yield {"type": f"response.{kind}.delta", "delta": text} | at
    for n, annotation in enumerate(part.get("annotations") or []):
        yield {"type": "response.output_text.annotation.added", "annotation_index": n, "annotation": annotation} | at
    yield {"type": f"response.{kind}.done", name: part[name]} | at
    yield {"type": "response.content_part.done", "part": part} | at


def whole_responses(body):
    response = expected.responses_whole(body, True)
    return None if isinstance(response, str) else response


# --- with what nobody knows yet ---

STRANGE = {"future": [1, {"deep": None}, "text"], "zukünftig": {"a": True}}
# Objects whose members are the model's own words, or which are told as they came.
AS_THEY_ARE = ("input", "args", "citation", "citations", "logprobs", "reasoningContent")
STRANGE_EVENTS = {
    "anthropic": [{"type": "future_event", "index": 99, "delta": {"type": "future_delta", "text": "no"}},
                  {"type": "content_block_start", "index": 90, "content_block": {"type": "future_block", "text": "no", "id": "f"}},
                  {"type": "content_block_delta", "index": 90, "delta": {"type": "future_delta", "future": "no"}},
                  {"type": "content_block_stop", "index": 90}],
    "cohere": [{"type": "debug", "prompt": "no"}, {"type": "future-delta", "index": 0, "delta": {"message": {"future": "no"}}}],
    "responses": [{"type": "response.future.delta", "output_index": 0, "delta": "no"},
                  {"type": "response.future_call.in_progress", "output_index": 0, "item_id": "f"}],
}


def strange(value, name=None):
    """Every object has members nobody knows, but those that are told as they are."""
    if isinstance(value, list) and name not in AS_THEY_ARE:
        return [strange(inner) for inner in value]
    if not isinstance(value, dict) or name in AS_THEY_ARE:
        return value
    return {key: strange(inner, key) for key, inner in value.items()} | STRANGE


def with_strangers(protocol, exchange):
    """The exchange with members and events in its reply that are in no documentation; they mean nothing. None: it is damaged."""
    if protocol == "bedrock" and exchange.streamed:
        body = b"".join(aws_frame("futureEvent", {"text": "no"}) + aws_frame(kind, strange(event))
                        for kind, event in expected.aws_events(exchange.body))
    elif exchange.streamed:
        try:
            given = expected.sse_json(exchange.body)
        except ValueError:
            return None
        between = STRANGE_EVENTS.get(protocol, [])
        made = [event for n, one in enumerate(given) for event in ([*between, strange(one)] if n else [strange(one)])]
        named = all("type" in event for event in made)
        body = events(made, named, done=b"[DONE]" in exchange.body)
    else:
        body = json.dumps(strange(json.loads(exchange.body))).encode()
    return Exchange(exchange.name, exchange.url, exchange.request, 200, body, exchange.content_type)
