"""Two bodies of one protocol that mean the same: what is different, and which differences are allowed, each by a rule with its
reason. For test_round_trip.py.
"""

import base64
import collections
import copy
import json
import re

import inverse

DIALECTS = ("anthropic", "gemini", "vertex", "bedrock", "cohere", "mistral", "responses")
# A picture of one dot: stands for every file that is named by its URL.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# --- comparing ---


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def differences(wanted, found, path=""):
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in wanted.keys() | found.keys():
            if name not in found:
                yield f"{path}.{name}: lost {json.dumps(wanted[name])[:200]}"
            elif name not in wanted:
                yield f"{path}.{name}: added {json.dumps(found[name])[:200]}"
            else:
                yield from differences(wanted[name], found[name], f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for n, (one, other) in enumerate(zip(wanted, found)):
            yield from differences(one, other, f"{path}[{n}]")
    elif wanted != found:
        yield f"{path}: {json.dumps(wanted, ensure_ascii=False)[:300]} became {json.dumps(found, ensure_ascii=False)[:300]}"


def everywhere(value, change):
    """Applies a change to every object inside, the innermost first."""
    for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()):
        everywhere(inner, change)
    if isinstance(value, dict):
        change(value)


RULES = collections.defaultdict(list)


def rule(*dialects):
    """Marks a function (wanted, found) that takes an allowed difference out of both; its text is the reason."""
    def mark(function):
        for dialect in dialects:
            RULES[dialect].append(function)
        return function
    return mark


def settled(dialect, wanted, found, used):
    wanted, found = without_nulls(copy.deepcopy(wanted)), without_nulls(copy.deepcopy(found))
    for function in RULES[dialect]:
        before = json.dumps([wanted, found], sort_keys=True)
        function(wanted, found)
        if json.dumps([wanted, found], sort_keys=True) != before:
            used[function.__name__] += 1
    return sorted(differences(wanted, found))


# --- rules for all ---


@rule("anthropic", "cohere", "mistral", "responses", "openai", "azure")
def not_streaming_is_the_default(wanted, found):
    """`stream: false` says nothing; whether a stream is wanted is in Gemini's and Bedrock's path."""
    for body in (wanted, found):
        if body.get("stream") is False:
            del body["stream"]


@rule("gemini", "bedrock", "vertex", "responses")
def empty_members(wanted, found):
    """`system: []`, `inferenceConfig: {}`, `instructions: ""` say nothing."""
    for body in (wanted, found):
        for name in [name for name, value in body.items() if value in ({}, [], "")]:
            del body[name]


@rule("anthropic", "gemini", "responses", "openai")
def empty_descriptions(wanted, found):
    """A tool without a description and one with an empty text are the same."""
    def change(tool):
        if tool.get("description") == "" and ({"name", "parameters", "parametersJsonSchema", "input_schema"} & set(tool)):
            del tool["description"]
    everywhere(wanted.get("tools"), change)
    everywhere(found.get("tools"), change)


# --- Anthropic ---


@rule("anthropic")
def texts_as_blocks(wanted, found):
    """A text stands for a list of one text block: content, system, tool results."""
    for body in (wanted, found):
        if isinstance(body.get("system"), str):
            body["system"] = [{"type": "text", "text": body["system"]}]

        def change(block):
            if isinstance(block.get("content"), str) and ("role" in block or block.get("type") == "tool_result"):
                block["content"] = [{"type": "text", "text": block["content"]}]
        everywhere(body["messages"], change)


@rule("anthropic")
def defaults_spelt_out(wanted, found):
    """`is_error: false`, `ttl: "5m"` and a tool_choice of auto are what is meant without them."""
    for body in (wanted, found):
        def change(block):
            if block.get("is_error") is False:
                del block["is_error"]
            if block.get("ttl") == "5m":
                del block["ttl"]
        everywhere(body, change)


@rule("anthropic")
def body_of_another_host(wanted, found):
    """In Bedrock's InvokeModel, which holds Anthropic's own body, the model and whether it streams are in the path and the version
    is in the body; we ask Converse there, and so this is sent to Anthropic itself."""
    if wanted.pop("anthropic_version", None):
        del found["model"]
        found.pop("stream", None)


@rule("anthropic")
def effort_of_its_models(wanted, found):
    """Claude Opus 4.6 knows no "xhigh" (the recorded answer says so): the next above is "max"; and an effort turns thinking on."""
    if wanted.get("output_config", {}).get("effort") == "xhigh" and found.get("output_config", {}).get("effort") == "max":
        wanted["output_config"]["effort"] = "max"
        found.pop("thinking")


# --- Gemini ---


@rule("gemini", "vertex")
def spelling(wanted, found):
    """The service reads snake_case as well."""
    for body in (wanted, found):
        changed = inverse.camel(body)
        body.clear()
        body.update(changed)


@rule("gemini")
def one_tool_as_a_list(wanted, found):
    """A list of one may stand without its brackets, a turn without its role is the user's."""
    if isinstance(wanted.get("tools"), dict):
        wanted["tools"] = [wanted["tools"]]
    for content in wanted["contents"]:
        content.setdefault("role", "user")


@rule("gemini", "vertex")
def role_of_the_system(wanted, found):
    """The role of a system instruction is not looked at."""
    wanted.get("systemInstruction", {}).pop("role", None)


@rule("gemini", "vertex")
def text_is_the_default(wanted, found):
    """Text is what a model answers with unless it is told otherwise."""
    for body in (wanted, found):
        config = body.get("generationConfig", {})
        if config.get("responseModalities") == ["TEXT"]:
            del config["responseModalities"]
        if config == {}:
            body.pop("generationConfig", None)


@rule("gemini", "vertex")
def schema_forms(wanted, found):
    """Google's own schema form (types in upper case) and JSON Schema mean the same; models before 2.5 are given the first, which
    has no additionalProperties and no title. A function of no arguments has no schema."""
    for body in (wanted, found):
        for tool in body.get("tools", []):
            for declaration in tool.get("functionDeclarations", []):
                one_schema(declaration, "parameters", "parametersJsonSchema", body is found, wanted)
                if not declaration.get("parametersJsonSchema", {}).get("properties", True):
                    del declaration["parametersJsonSchema"]
        one_schema(body.get("generationConfig", {}), "responseSchema", "responseJsonSchema", body is found, wanted)


def one_schema(holder, own, json_name, of_found, wanted):
    if own not in holder:
        return
    holder[json_name] = inverse.json_schema(holder.pop(own))

    def change(schema):
        for name in ("additionalProperties", "title"):
            if not isinstance(schema.get(name), dict):
                schema.pop(name, None)
    if of_found:
        everywhere([wanted.get("tools"), wanted.get("generationConfig", {}).get(json_name)], change)


@rule("vertex")
def files_by_url(wanted, found):
    """A file that is named by its URL is fetched and sent as bytes; the test's own stands for it."""
    def change(part):
        if part.get("fileData", {}).get("fileUri", "").startswith("https://"):
            part["inlineData"] = {"mimeType": part.pop("fileData")["mimeType"], "data": PNG}
    everywhere(wanted["contents"], change)


@rule("gemini")
def every_function_allowed(wanted, found):
    """To name all functions that there are allows the same as to name none."""
    names = {d["name"] for tool in wanted.get("tools", []) for d in tool.get("functionDeclarations", [])}
    calling = wanted.get("toolConfig", {}).get("functionCallingConfig", {})
    if names and set(calling.get("allowedFunctionNames", ())) == names:
        del calling["allowedFunctionNames"]


@rule("gemini")
def made_up_ids(wanted, found):
    """IDs that a client of Gemini made itself are not sent to it: calls and results are paired by their order and name."""
    for body in (wanted, found):
        def change(part):
            for name in ("functionCall", "functionResponse"):
                if str(part.get(name, {}).get("id", "")).startswith("pyd_ai_"):
                    del part[name]["id"]
        everywhere(body["contents"], change)


@rule("gemini")
def words_in_place_of_a_signature(wanted, found):
    """The words that stand for a lost signature: older models need none, and they may be in base64."""
    words = ("skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=")

    def change(part):
        if part.get("thoughtSignature") in words:
            del part["thoughtSignature"]
    everywhere(wanted["contents"], change)
    everywhere(found["contents"], change)


@rule("gemini")
def spelling_of_levels(wanted, found):
    """Levels are words of an enumeration, taken in either case."""
    for body in (wanted, found):
        thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
        if "thinkingLevel" in thinking:
            thinking["thinkingLevel"] = thinking["thinkingLevel"].upper()


# --- Bedrock ---


@rule("bedrock")
def neighbours(wanted, found):
    """Turns of one role that follow each other are one: Converse wants them to alternate."""
    joined = []
    for message in wanted["messages"]:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"] += message["content"]
        else:
            joined.append(message)
    wanted["messages"] = joined


@rule("bedrock")
def blank_texts(wanted, found):
    """A text of nothing but white space is refused by most models: between a document and its mark stands a full stop."""
    for message in wanted["messages"]:
        for block in message["content"]:
            if "text" in block and not block["text"].strip():
                block["text"] = "."


@rule("bedrock")
def choosing_freely(wanted, found):
    """To choose freely is what every model does; most refuse to be told."""
    if wanted.get("toolConfig", {}).get("toolChoice") == {"auto": {}}:
        del wanted["toolConfig"]["toolChoice"]
        found.get("toolConfig", {}).pop("toolChoice", None)


@rule("bedrock")
def text_files(wanted, found):
    """A text file may be given as text or as its bytes."""
    for body in (wanted, found):
        def change(document):
            if "text" in document.get("source", {}):
                document["source"] = {"bytes": base64.b64encode(document["source"]["text"].encode()).decode()}
        everywhere(body["messages"], change)


@rule("bedrock")
def limit_with_a_budget(wanted, found):
    """Where Claude thinks, the limit must be above the budget: it is told."""
    if "thinking" in wanted.get("additionalModelRequestFields", {}) and "maxTokens" not in wanted.get("inferenceConfig", {}):
        found.get("inferenceConfig", {}).pop("maxTokens", None)
        empty_members(wanted, found)


@rule("bedrock")
def success_is_the_default(wanted, found):
    """A result that does not say otherwise is one of success."""
    for body in (wanted, found):
        def change(result):
            if result.get("status") == "success":
                del result["status"]
        everywhere(body["messages"], change)


@rule("bedrock")
def schema_as_text(wanted, found):
    """The schema of the answer is JSON in a string: its spaces are nobody's."""
    for body in (wanted, found):
        schema = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
        if "schema" in schema:
            schema["schema"] = json.loads(schema["schema"])


# --- Cohere ---


@rule("cohere")
def plain_content(wanted, found):
    """One text part may be a plain text; a turn that calls tools needs none."""
    for body in (wanted, found):
        for message in body["messages"]:
            content = message.get("content")
            if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
                message["content"] = content[0]["text"]
            if message.get("content") == "" and message.get("tool_calls"):
                del message["content"]


@rule("cohere")
def citations_nobody_asked_for(wanted, found):
    """Citations are only wanted where there are documents to cite; they make an answer slower."""
    if "documents" not in wanted and "citation_options" not in wanted and found.get("citation_options") == {"mode": "disabled"}:
        del found["citation_options"]


# --- Mistral ---


@rule("mistral")
def empty_of_mistral(wanted, found):
    """No calls, no prefix, one answer, all of the probability: defaults."""
    for body in (wanted, found):
        for name, value in (("n", 1), ("top_p", 1.0)):
            if body.get(name) == value:
                del body[name]
        for message in body["messages"]:
            if message.get("tool_calls") == []:
                del message["tool_calls"]
            if message.get("prefix") is False:
                del message["prefix"]
            content = message.get("content")
            if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
                message["content"] = content[0]["text"]


@rule("mistral")
def thinking_is_closed(wanted, found):
    """A piece of thinking that is sent back is whole, whether or not it says so."""
    for body in (wanted, found):
        def change(part):
            if part.get("closed") is True:
                del part["closed"]
        everywhere(body["messages"], change)


@rule("mistral")
def names_of_results(wanted, found):
    """The name of the function may stand beside its result."""
    for message, other in zip(wanted["messages"], found["messages"]):
        if message["role"] == "tool" and "name" not in message:
            other.pop("name", None)


# --- Responses ---


@rule("responses")
def short_items(wanted, found):
    """A message may leave its type out, and a list of one text may be that text."""
    for body in (wanted, found):
        for item in body["input"]:
            if item.get("type") == "message":
                del item["type"]
            content = item.get("content")
            if isinstance(content, list) and len(content) == 1 and content[0].keys() <= {"type", "text", "annotations"}:
                item["content"] = content[0]["text"]


@rule("responses")
def nothing_is_stored(wanted, found):
    """We store nothing there (`store: false`), so what an item was stored under means nothing, nor does its state."""
    if "store" not in wanted:
        found.pop("store", None)
    for body in (wanted, found):
        for item in body["input"]:
            if item.get("type") != "reasoning":
                item.pop("id", None)
            item.pop("status", None)


@rule("responses")
def reasoning_is_kept(wanted, found):
    """Reasoning must come back encrypted where nothing is stored; asked of models that reason, whether or not the client did."""
    if "include" not in wanted and found.get("include") == ["reasoning.encrypted_content"]:
        del found["include"]


@rule("responses")
def summaries_are_asked_for(wanted, found):
    """What the model thinks is to be read, so a summary is asked for where reasoning is."""
    if "summary" not in wanted.get("reasoning", {}) and found.get("reasoning", {}).get("summary") == "auto":
        del found["reasoning"]["summary"]


@rule("responses")
def text_is_the_default_format(wanted, found):
    """`text: {format: {type: text}}` says nothing."""
    if wanted.get("text") == {"format": {"type": "text"}}:
        del wanted["text"]


@rule("responses")
def empty_turns(wanted, found):
    """An assistant's turn without a text in it is none."""
    wanted["input"] = [item for item in wanted["input"] if not (item.get("role") == "assistant" and item["content"] == "")]


@rule("responses")
def texts_before_calls(wanted, found):
    """An assistant's message in chat has its texts before its calls, and in one item; DeepSeek refuses them mixed (the recorded
    answer says so)."""
    for body in (wanted, found):
        items, own = [], []
        for item in body["input"] + [None]:
            if item and (item.get("role") == "assistant" or item.get("type") == "function_call"):
                own.append(item)
                continue
            texts = [i for i in own if i.get("role") == "assistant"]
            if len(texts) > 1 or texts and own[0] != texts[0]:
                parts = [p for i in texts for p in (i["content"] if isinstance(i["content"], list) else
                                                    [{"type": "output_text", "text": i["content"]}])]
                texts = [{"role": "assistant", "content": parts}]
            items += texts + [i for i in own if i.get("type") == "function_call"] + ([item] if item else [])
            own = []
        body["input"] = items


# --- OpenAI ---


@rule("openai")
def limits_by_name(wanted, found):
    """The limit has two names; each service is given the one it knows best."""
    if "max_completion_tokens" in wanted and "max_tokens" in found:
        wanted["max_tokens"] = wanted.pop("max_completion_tokens")


@rule("openai")
def one_answer(wanted, found):
    """`n: 1` says nothing; Groq refuses any other."""
    if wanted.get("n") == 1 and "n" not in found:
        del wanted["n"]


@rule("openai")
def usage_unasked(wanted, found):
    """Perplexity counts in every chunk and refuses to be asked."""
    if wanted["model"] == "sonar" and wanted.get("stream_options") == {"include_usage": True} and "stream_options" not in found:
        del wanted["stream_options"]


@rule("openai", "azure")
def usage_is_asked_for(wanted, found):
    """Usage is always asked for: it is what costs are made of."""
    if wanted.get("stream") and "stream_options" not in wanted and found.get("stream_options") == {"include_usage": True}:
        del found["stream_options"]
