// Why an answer ended: the many words of the providers, and OpenRouter's five.
#include "surface/chat_shared.h"

struct str chat_finish_normal(struct str native) {
  static const struct {
    struct str native, normal;
  } rows[] = {
#define ROW(native, normal)        \
  {                                \
    {native, sizeof native - 1}, { \
      normal, sizeof normal - 1    \
    }                              \
  }
      ROW("stop", "stop"),
      ROW("length", "length"),
      ROW("tool_calls", "tool_calls"),
      ROW("content_filter", "content_filter"),
      ROW("error", "error"),
      ROW("function_call", "tool_calls"),
      ROW("tool_use", "tool_calls"),
      ROW("tool_call", "tool_calls"),
      ROW("max_tokens", "length"),
      ROW("max_output_tokens", "length"),
      ROW("model_length", "length"),
      ROW("model_context_window_exceeded", "length"),
      ROW("sensitive", "content_filter"),
      ROW("safety", "content_filter"),
      ROW("recitation", "content_filter"),
      ROW("blocklist", "content_filter"),
      ROW("prohibited_content", "content_filter"),
      ROW("spii", "content_filter"),
      ROW("refusal", "content_filter"),
      ROW("content_filtered", "content_filter"),
      ROW("guardrail_intervened", "content_filter"),
      ROW("insufficient_system_resource", "error"),
      ROW("network_error", "error"),
      ROW("abort", "error"),
      ROW("malformed_function_call", "error"),
#undef ROW
  };
  if (str_eq(native, rows[0].native)) return rows[0].normal;  // nearly always
  for (size_t i = 0; i < CHAT_COUNT(rows); i++)
    if (str_eq_nocase(rows[i].native, native)) return rows[i].normal;
  // eos, eos_token, end_turn, stop_sequence, COMPLETE, and whatever else a provider may say of an answer it finished.
  return STR("stop");
}

struct chat_finish chat_finish_read(const struct chat_reply *reply, const struct json_doc *doc,
                                    const struct chat_members *choice, bool called, bool whole) {
  uint32_t finish = choice->at[CHAT_WORD_FINISH_REASON], native = choice->at[CHAT_WORD_NATIVE_FINISH_REASON];
  struct str word = chat_inside(doc, finish);
  struct chat_finish f = {.native = STR("null")};
  if (!word.len && !whole) return f;
  f.normal = word.len ? chat_finish_normal(word) : STR("stop");
  if (word.len) f.native = json_raw(doc, finish);
  if (chat_has_text(doc, native)) f.native = json_raw(doc, native);
  // Many say "stop", or nothing, of an answer that calls tools. OpenAI itself means it: the call was forced.
  bool meant = word.len && str_eq(reply->endpoint->provider->id, STR("openai"));
  if (called && !meant && str_eq(f.normal, STR("stop"))) f.normal = STR("tool_calls");
  return f;
}

void chat_finish_write(const struct chat_finish *finish, struct buf *out) {
  if (!finish->normal.len) {
    buf_lit(out, "\"finish_reason\":null,\"native_finish_reason\":null");
    return;
  }
  buf_lit(out, "\"finish_reason\":\"");
  buf_str(out, finish->normal);
  buf_lit(out, "\",\"native_finish_reason\":");
  buf_str(out, finish->native);
}

void chat_finish_keep(struct chat_reply *reply, const struct chat_finish *finish) {
  if (reply->finish_reason[0]) return;
  chat_keep(reply->finish_reason, sizeof reply->finish_reason, finish->normal);
  if (finish->native.len > 2 && finish->native.ptr[0] == '"')
    chat_keep(reply->native_finish_reason, sizeof reply->native_finish_reason,
              str_from(finish->native.ptr + 1, finish->native.len - 2));
}
