#include "surface/chat_members.h"

#define NAME(literal) \
  { literal, sizeof literal - 1 }

// The ones most requests have come first.
static const struct chat_member rows[] = {
    {NAME("model"), CHAT_MODEL, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("messages"), CHAT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0},
    {NAME("stream"), CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("max_tokens"), CHAT_MAX_TOKENS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 1, 0},
    {NAME("temperature"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 2},
    {NAME("tools"), CHAT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0},
    {NAME("tool_choice"), CHAT_PASS, CHAT_STRING | CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("stream_options"), CHAT_STREAM_OPTIONS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("max_completion_tokens"), CHAT_MAX_TOKENS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 1, 0},
    {NAME("response_format"), CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("provider"), CHAT_CUT, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("models"), CHAT_CUT, CHAT_ARRAY, CHAT_STRING, 16, false, CHAT_FREE, 0, 0},
    {NAME("user"), CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("usage"), CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("reasoning"), CHAT_REASONING, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("reasoning_effort"), CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("top_p"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_ABOVE, 0, 1},
    {NAME("top_k"), CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 0, 0},
    {NAME("min_p"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 1},
    {NAME("top_a"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 1},
    {NAME("frequency_penalty"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, -2, 2},
    {NAME("presence_penalty"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, -2, 2},
    {NAME("repetition_penalty"), CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_ABOVE, 0, 2},
    {NAME("seed"), CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_FREE, 0, 0},
    {NAME("n"), CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_BETWEEN, 1, 128},
    {NAME("stop"), CHAT_PASS, CHAT_STRING | CHAT_ARRAY, CHAT_STRING, 4, false, CHAT_FREE, 0, 0},
    {NAME("logit_bias"), CHAT_PASS, CHAT_OBJECT, CHAT_NUMBER, 0, false, CHAT_FREE, 0, 0},
    {NAME("logprobs"), CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("top_logprobs"), CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_BETWEEN, 0, 20},
    {NAME("parallel_tool_calls"), CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("verbosity"), CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("modalities"), CHAT_PASS, CHAT_ARRAY, CHAT_STRING, 0, false, CHAT_FREE, 0, 0},
    {NAME("audio"), CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("prediction"), CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("metadata"), CHAT_PASS, CHAT_OBJECT, CHAT_STRING, 16, false, CHAT_FREE, 0, 0},
    {NAME("prompt_cache_key"), CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("prompt_cache_options"), CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("service_tier"), CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("web_search_options"), CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("route"), CHAT_CUT, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("preset"), CHAT_CUT, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("plugins"), CHAT_CUT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0},
    {NAME("transforms"), CHAT_CUT_PASS, CHAT_ARRAY, CHAT_STRING, 0, false, CHAT_FREE, 0, 0},
    {NAME("session_id"), CHAT_CUT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("trace"), CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("debug"), CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("cache_control"), CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("include_reasoning"), CHAT_CUT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("image_config"), CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0},
    {NAME("stop_server_tools_when"), CHAT_CUT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0},
    {NAME("max_tool_calls"), CHAT_CUT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 0, 0},
};

const struct chat_member *chat_member_find(const struct json_doc *doc, uint32_t key) {
  struct str name =
      str_from(doc->text.ptr + doc->nodes[key].start + 1, doc->nodes[key].end - doc->nodes[key].start - 2);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (doc->nodes[key].escaped ? json_string_is(doc, key, rows[i].name) : str_eq(rows[i].name, name)) return &rows[i];
  }
  return NULL;
}
