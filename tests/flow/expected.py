"""What a provider's reply means, read a second time and in another way than the gateway does: plain Python over the whole body.
Each function takes an answer's body and gives an Answer, or an error's class as a string.
"""

import dataclasses
import json


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
