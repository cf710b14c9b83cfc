// Anthropic's counts of tokens.
#include "provider/anthropic_reading.h"
#include "provider/decode.h"

// What one call of a model used; a whole answer's usage has the same members.
struct used {
  uint64_t input, read, written, written_1h, output;
};

static struct used used_read(const struct json_doc *doc, uint32_t usage) {
  uint32_t creation = json_get(doc, usage, STR("cache_creation"));
  struct used u = {.input = decode_count_or_0(doc, usage, STR("input_tokens")),
                   .output = decode_count_or_0(doc, usage, STR("output_tokens")),
                   .written_1h = decode_count_or_0(doc, creation, STR("ephemeral_1h_input_tokens"))};
  uint64_t short_lived = decode_count_or_0(doc, creation, STR("ephemeral_5m_input_tokens"));
  decode_count(doc, usage, STR("cache_read_input_tokens"), &u.read);
  decode_count(doc, usage, STR("cache_creation_input_tokens"), &u.written);
  if (u.written < u.written_1h + short_lived) u.written = u.written_1h + short_lived;
  return u;
}

static void used_add(struct used *sum, const struct used *more) {
  sum->input += more->input;
  sum->read += more->read;
  sum->written += more->written;
  sum->written_1h += more->written_1h;
  sum->output += more->output;
}

static bool has_fallback(const struct json_doc *doc, uint32_t iterations) {
  for (uint32_t i = json_first(doc, iterations); i != JSON_NONE; i = json_next(doc, iterations, i))
    if (json_string_is(doc, json_get(doc, i, STR("type")), STR("fallback_message"))) return true;
  return false;
}

// What an answer took in several calls. The counts above them leave out some that are billed all the same: those that
// shortened the conversation, those to another model that was asked for advice, and, when another model took its place,
// what the first had said before it declined. What it declined at once costs nothing.
static void iterations_read(struct anthropic_counts *c, const struct json_doc *doc, uint32_t iterations) {
  bool fallback = has_fallback(doc, iterations);
  struct used beside = {0};
  for (uint32_t i = json_first(doc, iterations); i != JSON_NONE; i = json_next(doc, iterations, i)) {
    uint32_t type = json_get(doc, i, STR("type"));
    struct used used = used_read(doc, i);
    bool declined = fallback && json_string_is(doc, type, STR("message")) && used.output;
    if (declined || json_string_is(doc, type, STR("compaction")) || json_string_is(doc, type, STR("advisor_message")))
      used_add(&beside, &used);
  }
  c->beside_input = beside.input;
  c->beside_read = beside.read;
  c->beside_written = beside.written;
  c->beside_output = beside.output;
}

void anthropic_counts_read(struct anthropic_counts *c, const struct json_doc *doc, uint32_t usage) {
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  struct used used = used_read(doc, usage);
  uint32_t details = json_get(doc, usage, STR("output_tokens_details"));
  uint32_t creation = json_get(doc, usage, STR("cache_creation")), iterations = json_get(doc, usage, STR("iterations"));
  c->known |= decode_count(doc, usage, STR("input_tokens"), &c->input);
  c->known |= decode_count(doc, usage, STR("output_tokens"), &c->output);
  decode_count(doc, usage, STR("cache_read_input_tokens"), &c->read);
  if (decode_count(doc, usage, STR("cache_creation_input_tokens"), &c->written) || json_is(doc, creation, JSON_OBJECT))
    c->written = used.written;
  if (json_is(doc, creation, JSON_OBJECT)) c->written_1h = used.written_1h;
  decode_count(doc, details, STR("thinking_tokens"), &c->thinking);
  decode_count(doc, json_get(doc, usage, STR("server_tool_use")), STR("web_search_requests"), &c->searches);
  if (json_is(doc, iterations, JSON_ARRAY) && json_first(doc, iterations) != JSON_NONE)
    iterations_read(c, doc, iterations);
}

void anthropic_counts_give(const struct anthropic_counts *c, struct event_sink sink) {
  if (!c->known) return;
  struct usage u = {
      .known = true,
      .prompt = c->input + c->read + c->written,
      .completion = c->output,
      .cached = c->read,
      .cache_write = c->written,
      .cache_write_1h = c->written_1h < c->written ? c->written_1h : c->written,
      .reasoning = c->thinking < c->output ? c->thinking : c->output,
      .web_searches = c->searches,
      .beside = {.prompt = c->beside_input + c->beside_read + c->beside_written,
                 .completion = c->beside_output,
                 .cached = c->beside_read,
                 .cache_write = c->beside_written},
  };
  u.total = u.prompt + u.completion;
  decode_give(sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}
