// What a simulated client has been answered, taken apart and checked for what must always hold: framing that ends where
// it says, JSON and UTF-8 that are valid, one [DONE] at the end of a stream and none behind an error.
#pragma once
#include "simulation.h"

struct answer {
  unsigned status;  // 0: no whole head came
  struct http_head head;
  struct str body;  // chunked coding undone
  bool complete;    // the body came to its end
  bool stream;
  struct str text;    // of the first choice
  struct str finish;  // its last finish_reason
  unsigned code;      // error.code; 0: no error
  struct str error_type;
  unsigned events, comments, dones;
  bool has_usage;
  uint64_t completion;  // of usage
  size_t size;          // bytes of the whole answer
};

static inline struct str answer_string(struct sim *sim, const struct json_doc *doc, uint32_t node) {
  struct str text = {"", 0};
  return json_string(doc, node, &sim->arena, &text) ? arena_str(&sim->arena, text) : (struct str){"", 0};
}

static void answer_object(struct sim *sim, struct answer *a, struct str json) {
  struct json_doc doc = {0};
  uint64_t code = 0;
  if (json_parse(&doc, json, 8) != JSON_OK) fail_msg("the client got invalid JSON: %.*s", STR_ARGS(json));
  uint32_t error = json_get(&doc, 0, STR("error")), choice = json_first(&doc, json_get(&doc, 0, STR("choices")));
  uint32_t part = json_get(&doc, choice, a->stream ? STR("delta") : STR("message"));
  struct str text = answer_string(sim, &doc, json_get(&doc, part, STR("content")));
  struct str finish = answer_string(sim, &doc, json_get(&doc, choice, STR("finish_reason")));
  a->text = arena_printf(&sim->arena, "%.*s%.*s", STR_ARGS(a->text), STR_ARGS(text));
  if (finish.len) a->finish = finish;
  if (json_is(&doc, error, JSON_OBJECT)) {
    assert_true(json_u64(&doc, json_get(&doc, error, STR("code")), 999, &code));
    a->code = (unsigned)code;
    a->error_type = answer_string(sim, &doc, json_get(&doc, json_get(&doc, error, STR("metadata")), STR("error_type")));
  }
  uint32_t usage = json_get(&doc, 0, STR("usage"));
  if (json_is(&doc, usage, JSON_OBJECT)) {
    a->has_usage = true;
    assert_true(json_u64(&doc, json_get(&doc, usage, STR("completion_tokens")), UINT64_MAX / 2, &a->completion));
  }
  json_doc_free(&doc);
}

static void answer_events(struct sim *sim, struct answer *a) {
  struct str rest = a->body;
  while (rest.len) {
    size_t end = str_find(rest, STR("\n\n"), 0);
    if (end == SIZE_MAX) {
      assert_false(a->complete);
      return;
    }
    struct str event = str_from(rest.ptr, end);
    rest = str_skip(rest, end + 2);
    if (event.ptr[0] == ':') {
      a->comments++;
      continue;
    }
    assert_true(str_starts(event, STR("data: ")));
    event = str_skip(event, 6);
    assert_int_equal(a->dones, 0);
    assert_int_equal(a->code, 0);  // an error is the last
    if (str_eq(event, STR("[DONE]"))) {
      a->dones++;
      continue;
    }
    a->events++;
    answer_object(sim, a, event);
  }
}

static bool answer_body(struct sim *sim, struct answer *a, struct str in, bool ended) {
  if (!a->head.chunked) {
    a->complete = a->head.content_length >= 0 ? in.len >= (size_t)a->head.content_length : ended;
    a->body = a->head.content_length >= 0 && a->complete ? str_from(in.ptr, (size_t)a->head.content_length) : in;
    a->size += a->body.len;
    return a->complete;
  }
  struct chunked chunked = {0};
  struct buf body;
  size_t at = 0, taken;
  struct str data;
  enum http_result r = HTTP_MORE;
  buf_init(&body, (size_t)1 << 30);
  while (at < in.len && r == HTTP_MORE) {
    r = chunked_feed(&chunked, str_skip(in, at), &taken, &data);
    buf_str(&body, data);
    at += taken;
    if (!taken && !data.len) break;
  }
  assert_int_not_equal(r, HTTP_FAILED);
  a->complete = r == HTTP_DONE;
  a->body = arena_str(&sim->arena, buf_view(&body));
  a->size += at;
  buf_free(&body);
  return a->complete;
}

// The answer at the start of what the client has got from offset `from` on. Its strings live as long as the simulation.
static struct answer answer_read(struct sim_client *c, size_t from) {
  struct answer a = {.text = {"", 0}, .finish = {"", 0}, .error_type = {"", 0}};
  struct http_refusal refusal;
  struct str all = arena_str(&c->sim->arena, str_skip(buf_view(&c->got), from));
  enum http_result r = all.len ? http_response_parse(all, 64 * 1024, &a.head, &refusal) : HTTP_MORE;
  assert_int_not_equal(r, HTTP_FAILED);
  if (r == HTTP_MORE) return a;
  a.status = a.head.status;
  a.size = a.head.size;
  answer_body(c->sim, &a, str_skip(all, a.head.size), c->ended);
  a.stream = str_starts(http_field_get(&a.head, STR("content-type")), STR("text/event-stream"));
  if (a.stream)
    answer_events(c->sim, &a);
  else if (a.complete && a.body.len)
    answer_object(c->sim, &a, a.body);
  return a;
}

static bool answer_is_here(struct sim *sim, void *client) {
  struct sim_client *c = client;
  (void)sim;
  if (c->ended) return true;
  // The end is looked for before anything is taken apart: this is asked at every moment.
  struct str got = buf_view(&c->got);
  if (str_find(got, STR("Transfer-Encoding: chunked\r\n"), 0) != SIZE_MAX) return str_ends(got, STR("\r\n0\r\n\r\n"));
  return got.len && answer_read(c, 0).complete;
}
