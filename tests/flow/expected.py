"""What a provider's reply means, read a second time and in another way than the gateway does: plain Python over the whole body.
Each function takes an answer's body and gives an Answer, or an error's class as a string.
"""

import dataclasses
import json
import re
import struct
import zlib


@dataclasses.dataclass
class Answer:
    text: str = ""
    reasoning: str = ""
    calls: list = dataclasses.field(default_factory=list)  # (name, arguments as value)
    finish: str = "stop"
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    reasoned: int = 0
    blobs: list = dataclasses.field(default_factory=list)  # signatures and encrypted data, in order


def sse_data(body):
    """The data of each event of a stream."""
    text = body.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            yield "\n".join(data)


def sse_json(body):
    return [json.loads(data) for data in sse_data(body) if data.strip() != "[DONE]"]


def arguments(text):
    """A call's arguments as the value they are; text that is no JSON stays text."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


# --- Anthropic ---

ANTHROPIC_FINISH = {"max_tokens": "length", "model_context_window_exceeded": "length", "tool_use": "tool_calls",
                    "refusal": "content_filter"}


def anthropic_message(message):
    answer = Answer()
    for block in message["content"]:
        kind = block["type"]
        if kind == "text":
            answer.text += block["text"]
        elif kind == "thinking":
            answer.reasoning += block.get("thinking", "")
            if block.get("signature"):
                answer.blobs.append(block["signature"])
        elif kind == "redacted_thinking":
            answer.blobs.append(block["data"])
        elif kind == "tool_use":
            answer.calls.append((block["name"], block["input"]))
    answer.finish = ANTHROPIC_FINISH.get(message["stop_reason"], "stop")
    if answer.calls and answer.finish == "stop":
        answer.finish = "tool_calls"
    usage = {k: v or 0 for k, v in message["usage"].items() if not isinstance(v, (dict, list, str))}
    answer.cached = usage.get("cache_read_input_tokens", 0)
    answer.written = usage.get("cache_creation_input_tokens", 0)
    answer.prompt = usage.get("input_tokens", 0) + answer.cached + answer.written
    answer.completion = usage.get("output_tokens", 0)
    answer.reasoned = ((message["usage"].get("output_tokens_details") or {}).get("thinking_tokens")) or 0
    return answer


def anthropic(body, streamed):
    if not streamed:
        return anthropic_message(json.loads(body))
    message = {"content": [], "usage": {}, "stop_reason": None}
    parts, begun = {}, None
    for event in sse_json(body):
        kind = event["type"]
        if kind == "error":
            return event["error"]["type"]
        if kind == "message_start":
            if begun not in (None, event["message"]["id"]):
                return "spliced"
            begun = event["message"]["id"]
            message["usage"].update(event["message"]["usage"])
        elif kind == "content_block_start":
            parts[event["index"]] = dict(event["content_block"]) | {"json": ""}
        elif kind == "content_block_delta":
            part, delta = parts[event["index"]], event["delta"]
            for key, target in (("text", "text"), ("thinking", "thinking"), ("signature", "signature"), ("partial_json", "json")):
                if key in delta:
                    part[target] = part.get(target, "") + delta[key]
        elif kind == "message_delta":
            message["stop_reason"] = event["delta"].get("stop_reason") or message["stop_reason"]
            message["usage"].update({k: v for k, v in event.get("usage", {}).items() if v is not None})
        elif kind == "message_stop":
            for part in parts.values():
                if part["type"] == "tool_use":
                    part["input"] = arguments(part["json"]) if part["json"] else part["input"]
            message["content"] = list(parts.values())
            return anthropic_message(message)
    return "cut"


# --- Gemini ---

GEMINI_FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
                   "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
GEMINI_FAULTS = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER", "NO_IMAGE", "IMAGE_OTHER"}


def set_path(root, path, partial):
    """Puts one streamed value where its path says."""
    steps = [int(a) if a else b for a, b in re.findall(r"\[(\d+)\]|\.([^.\[]+)", path)]
    for step, following in zip(steps, steps[1:]):
        empty = [] if isinstance(following, int) else {}
        if isinstance(root, list):
            if step == len(root):
                root.append(empty)
            root = root[step]
        else:
            root = root.setdefault(step, empty)
    last = steps[-1]
    text = partial.get("stringValue")
    value = partial.get("numberValue", partial.get("boolValue", text))
    if isinstance(root, list):
        if last < len(root):
            root[last] += value
        else:
            root.append(value)
    else:
        root[last] = root[last] + value if text is not None and last in root else value


def gemini(body, streamed):
    answer, finish, usage, begun = Answer(finish=None), None, {}, False
    if streamed:
        text = body.decode("utf-8-sig").replace("\r\n", "\n")
        if '\n{' in text or '"error": {' in text:
            return "error"
        responses = sse_json(body)
    else:
        parsed = json.loads(body)
        responses = parsed if isinstance(parsed, list) else [parsed]
    call = None
    for response in responses:
        if "error" in response:
            return response["error"]["status"]
        for name, value in response.get("usageMetadata", {}).items():
            usage[name] = value
        if not response.get("candidates") and response.get("promptFeedback", {}).get("blockReason"):
            finish = "SAFETY"
        for candidate in response.get("candidates", []):
            finish = candidate.get("finishReason", finish)
            for part in candidate.get("content", {}).get("parts", []):
                begun = True
                if "functionCall" in part:
                    given = part["functionCall"]
                    if "name" in given:
                        call = given.get("args", {})
                        answer.calls.append((given["name"], call))
                    for partial in given.get("partialArgs", []):
                        set_path(call, partial["jsonPath"][1:], partial)
                elif part.get("thought"):
                    answer.reasoning += part.get("text", "")
                else:
                    answer.text += part.get("text", "")
                if "thoughtSignature" in part:
                    answer.blobs.append(part["thoughtSignature"])
    if finish is None and (streamed or not begun):
        return "cut"
    if finish in GEMINI_FAULTS and not answer.calls:
        return finish
    answer.finish = ("content_filter" if finish in GEMINI_FILTERED else "length" if finish == "MAX_TOKENS"
                     else "tool_calls" if answer.calls else "stop")
    answer.prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    answer.reasoned = usage.get("thoughtsTokenCount", 0)
    answer.completion = usage.get("candidatesTokenCount", 0) + answer.reasoned
    answer.cached = usage.get("cachedContentTokenCount", 0)
    return answer


def vertex(body, streamed):
    return gemini(body, streamed)


# --- Bedrock ---

BEDROCK_FINISH = {"tool_use": "tool_calls", "max_tokens": "length", "model_context_window_exceeded": "length",
                  "guardrail_intervened": "content_filter", "content_filtered": "content_filter"}


def aws_events(body):
    """(event type, payload) of every message; anything but a good event ends the list with ("error", …)."""
    while body:
        if len(body) < 16:
            yield "error", "cut"
            return
        total, headers_length, crc = struct.unpack(">III", body[:12])
        if zlib.crc32(body[:8]) != crc or len(body) < total or zlib.crc32(body[:total - 4]) != struct.unpack(">I", body[total - 4:total])[0]:
            yield "error", "damaged"
            return
        headers, at = {}, 12
        while at < 12 + headers_length:
            name = body[at + 1:at + 1 + body[at]].decode()
            at += 1 + body[at]
            assert body[at] == 7
            length = struct.unpack(">H", body[at + 1:at + 3])[0]
            headers[name] = body[at + 3:at + 3 + length].decode()
            at += 3 + length
        if headers[":message-type"] != "event":
            yield "error", headers.get(":exception-type") or headers.get(":error-code")
            return
        yield headers[":event-type"], json.loads(body[12 + headers_length:total - 4])
        body = body[total:]


def bedrock(body, streamed):
    answer, blocks, usage, stop, done = Answer(), {}, {}, None, not streamed
    if streamed:
        for kind, event in aws_events(body):
            if kind == "error":
                return event
            if kind == "contentBlockStart":
                use = event["start"].get("toolUse")
                blocks[event["contentBlockIndex"]] = {"toolUse": dict(use) | {"input": ""}} if use else {}
            elif kind == "contentBlockDelta":
                block, delta = blocks.setdefault(event["contentBlockIndex"], {}), event["delta"]
                if "text" in delta:
                    block["text"] = block.get("text", "") + delta["text"]
                if "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                for name, value in delta.get("reasoningContent", {}).items():
                    part = block.setdefault("reasoningContent", {})
                    if name == "redactedContent":
                        part[name] = value
                    else:
                        inner = part.setdefault("reasoningText", {})
                        inner[name] = inner.get(name, "") + value
            elif kind == "messageStop":
                stop = event["stopReason"]
            elif kind == "metadata":
                usage, done = event["usage"], True
        if not done:
            return "cut"
        for block in blocks.values():
            if "toolUse" in block:
                block["toolUse"]["input"] = arguments(block["toolUse"]["input"])
        content = list(blocks.values())
    else:
        reply = json.loads(body)
        content, usage, stop = reply["output"]["message"]["content"], reply["usage"], reply["stopReason"]
    for block in content:
        answer.text += block.get("text", "")
        for part in block.get("citationsContent", {}).get("content", []):
            answer.text += part["text"]
        reasoning = block.get("reasoningContent", {})
        answer.reasoning += reasoning.get("reasoningText", {}).get("text", "")
        answer.blobs += [blob for blob in (reasoning.get("reasoningText", {}).get("signature"), reasoning.get("redactedContent")) if blob]
        if "toolUse" in block:
            answer.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
    answer.finish = BEDROCK_FINISH.get(stop, "stop")
    answer.cached, answer.written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    answer.prompt = usage["inputTokens"] + answer.cached + answer.written
    answer.completion = usage["outputTokens"]
    return answer


# --- Cohere ---

COHERE_FINISH = {"MAX_TOKENS": "length", "ERROR_LIMIT": "length", "TOOL_CALL": "tool_calls", "ERROR_TOXIC": "content_filter"}


def cohere(body, streamed):
    answer, finish, usage = Answer(), None, {}
    if streamed:
        calls = []
        for event in sse_json(body):
            kind, delta = event["type"], event.get("delta", {})
            message = delta.get("message", {})
            if kind in ("content-delta", "content-start"):
                answer.text += message["content"].get("text", "")
                answer.reasoning += message["content"].get("thinking", "")
            elif kind == "tool-plan-delta":
                answer.reasoning += message["tool_plan"]
            elif kind == "tool-call-start":
                call = message["tool_calls"]["function"]
                calls.append([call["name"], call["arguments"]])
            elif kind == "tool-call-delta":
                calls[-1][1] += message["tool_calls"]["function"]["arguments"]
            elif kind == "message-end":
                if delta.get("error"):
                    return "error"
                finish, usage = delta["finish_reason"], delta["usage"]
        if finish is None:
            return "cut"
        answer.calls = [(name, arguments(text)) for name, text in calls]
    else:
        reply = json.loads(body)
        message, finish, usage = reply["message"], reply["finish_reason"], reply["usage"]
        answer.reasoning = message.get("tool_plan") or ""
        for part in message.get("content") or []:
            answer.text += part.get("text", "")
            answer.reasoning += part.get("thinking", "")
        answer.calls = [(c["function"]["name"], arguments(c["function"]["arguments"])) for c in message.get("tool_calls") or []]
    answer.calls = [(name, {} if value is None else value) for name, value in answer.calls]
    answer.finish = COHERE_FINISH.get(finish, "stop")
    tokens = usage["tokens"]
    answer.prompt = tokens["input_tokens"] + tokens.get("image_tokens", 0)
    answer.completion = tokens["output_tokens"]
    answer.cached, answer.reasoned = usage.get("cached_tokens", 0), tokens.get("reasoning_tokens", 0)
    return answer


# --- Mistral ---

MISTRAL_FINISH = {"model_length": "length"}


def mistral(body, streamed):
    answer, finish, usage, calls = Answer(), None, {}, {}
    replies = sse_json(body) if streamed else [json.loads(body)]
    if streamed and "[DONE]" not in [data.strip() for data in sse_data(body)]:
        return "cut"
    for reply in replies:
        usage = reply.get("usage") or usage
        choice = reply["choices"][0]
        message = choice.get("delta") or choice.get("message") or {}
        content = message.get("content")
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
            answer.text += part.get("text", "") if part["type"] == "text" else ""
            answer.reasoning += "".join(t["text"] for t in part.get("thinking", []))
        for n, call in enumerate(message.get("tool_calls") or []):
            made = calls.setdefault(call.get("index", n), ["", ""])
            made[0] += call["function"].get("name") or ""
            made[1] += call["function"]["arguments"]
        finish = choice.get("finish_reason") or finish
    answer.calls = [(name, arguments(text)) for name, text in calls.values()]
    answer.finish = MISTRAL_FINISH.get(finish, finish)
    answer.prompt, answer.completion = usage["prompt_tokens"], usage["completion_tokens"]
    answer.cached = usage.get("num_cached_tokens") or (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return answer


# --- Responses ---


def responses_object(response):
    answer = Answer()
    if response.get("error") or response["status"] == "failed":
        return "failed"
    for item in response["output"]:
        if item["type"] == "message":
            answer.text += "".join(part.get("text", "") for part in item["content"])
        elif item["type"] == "reasoning":
            answer.reasoning += "\n\n".join(p["text"] for p in item.get("summary") or item.get("content") or [])
            if item.get("encrypted_content"):
                answer.blobs.append(item["encrypted_content"])
        elif item["type"] in ("function_call", "custom_tool_call"):
            value = arguments(item.get("arguments") or item.get("input") or "")
            if "multi_tool_use.parallel" in item["name"]:
                answer.calls += [(use["recipient_name"].removeprefix("functions."), use["parameters"]) for use in value["tool_uses"]]
            else:
                answer.calls.append((item["name"], value))
    reason = (response.get("incomplete_details") or {}).get("reason")
    answer.finish = ({"content_filter": "content_filter"}.get(reason, "length") if response["status"] == "incomplete"
                     else "tool_calls" if answer.calls else "stop")
    usage = response.get("usage") or {"input_tokens": 0, "output_tokens": 0}
    answer.prompt, answer.completion = usage["input_tokens"], usage["output_tokens"]
    answer.cached = (usage.get("input_tokens_details") or {}).get("cached_tokens", 0)
    answer.written = (usage.get("input_tokens_details") or {}).get("cache_write_tokens", 0)
    answer.reasoned = (usage.get("output_tokens_details") or {}).get("reasoning_tokens", 0)
    return answer


def responses(body, streamed):
    if not streamed:
        return responses_object(json.loads(body))
    items = {}
    try:
        events = sse_json(body)
    except ValueError:
        return "damaged"  # one recording lacks a brace in two of its events
    for event in events:
        kind = event["type"]
        if kind in ("error", "response.failed"):
            return "failed"
        place = event.get("output_index")
        if kind in ("response.output_item.added", "response.output_item.done"):
            old = items.get(place, {})
            items[place] = event["item"]
            for key in ("arguments", "input"):
                if old.get(key) and len(event["item"].get(key) or "") < len(old[key]):
                    items[place][key] = old[key]
        elif kind.endswith(("arguments.done", "input.done")):
            key = "arguments" if "arguments" in kind else "input"
            items[place][key] = max(items[place].get(key) or "", event[key], key=len)
        elif kind in ("response.completed", "response.incomplete"):
            response = event["response"]
            for place, item in enumerate(response["output"]):
                items.setdefault(place, item)
            return responses_object(response | {"output": [items[place] for place in sorted(items)]})
    return "cut"
