// The cases of tests/golden for providers that are translated, against what is expected there. Streams are fed whole,
// in small pieces, in two pieces divided at every byte, and cut behind every byte. With GOLDEN_WRITE=1 the expected
// files are written instead of compared: read the difference before you commit it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"

static struct str answer_tool(const struct golden *g) {
  return g->answer_tool ? str_from_cstr(g->answer_tool) : (struct str){0};
}

static void must_be_json(const struct golden *g, struct str text) {
  struct json_doc doc = {0};
  if (json_parse(&doc, text, 0) != JSON_OK) fail_msg("%s/%s: not JSON: %.*s", g->dialect, g->name, STR_ARGS(text));
  json_doc_free(&doc);
}

// --- requests ---

// Where it goes, with which fields, and what had to be left out.
static void write_head(const struct golden *g, const struct dialect_request *r, struct buf *out) {
  const struct endpoint *e = &g->target.endpoint;
  const struct dialect *d = dialect_of(e);
  struct buf fields;
  buf_init(&fields, 1 << 16);
  buf_lit(out, "POST ");
  d->path(e, r->chat.stream, out);
  if (d->fields) d->fields(&r->conversation, e, &fields);
  buf_str(&fields, r->translation.fields);
  for (size_t i = 0; i < fields.len; i++)
    if (fields.ptr[i] != '\r') buf_char(out, fields.ptr[i]);
  buf_char(out, '\n');
  for (unsigned i = 0; i < r->translation.dropped_count; i++)
    buf_printf(out, "%s%.*s", i ? ", " : "dropped: ", STR_ARGS(r->translation.dropped[i]));
  if (r->translation.dropped_count) buf_char(out, '\n');
  if (r->translation.answer_tool.len) buf_printf(out, "answer: %.*s\n", STR_ARGS(r->translation.answer_tool));
  buf_free(&fields);
}

static void check_request(struct golden *g) {
  struct buf in, out, head;
  struct dialect_request r;
  struct fault_note note;
  if (golden_read(g, "request.json", &in)) {
    buf_init(&out, GOLDEN_FILE_MAX);
    buf_init(&head, GOLDEN_FILE_MAX);
    if (dialect_run_request(&g->target, buf_view(&in), &r, &note, &out)) {
      must_be_json(g, buf_view(&out));
      write_head(g, &r, &head);
      golden_compare(g, "upstream.head", buf_view(&head));
    } else {
      buf_clear(&out);
      buf_lit(&out, "{\"refused\":");
      json_write_str(&out, note.message);
      buf_printf(&out, ",\"type\":\"%s\"}", fault_row(note.fault)->error_type);
    }
    golden_compare(g, "upstream.json", buf_view(&out));
    dialect_request_free(&r);
    buf_free(&out);
    buf_free(&head);
  }
  buf_free(&in);
}

// --- replies and errors ---

static void check_reply(struct golden *g) {
  struct buf in, out;
  if (golden_read(g, "reply.json", &in)) {
    buf_init(&out, GOLDEN_FILE_MAX);
    dialect_run_reply(&g->target, answer_tool(g), buf_view(&in), &out);
    must_be_json(g, buf_view(&out));
    golden_compare(g, "client.json", buf_view(&out));
    buf_free(&out);
  }
  buf_free(&in);
}

static void check_error(struct golden *g) {
  struct buf in, out;
  if (golden_read(g, "error.txt", &in)) {
    buf_init(&out, GOLDEN_FILE_MAX);
    struct str type = g->error_type ? str_from_cstr(g->error_type) : (struct str){0};
    dialect_run_error(&g->target, g->status, type, buf_view(&in), &out);
    must_be_json(g, buf_view(&out));
    golden_compare(g, "error.json", buf_view(&out));
    buf_free(&out);
  }
  buf_free(&in);
}

// --- streams ---

static bool read_stream(const struct golden *g, struct buf *in) {
  struct buf lines;
  if (golden_read(g, "stream.sse", in)) return true;
  bool found = golden_read(g, "stream.events", &lines);
  if (found) frames_of_lines(buf_view(&lines), in);
  buf_free(&lines);
  return found;
}

static void must_be_events(const struct golden *g, struct str out) {
  while (out.len) {
    size_t end = str_find(out, STR("\n\n"), 0);
    if (end == SIZE_MAX || !str_starts(out, STR("data: "))) fail_msg("%s/%s: no events", g->dialect, g->name);
    struct str data = str_from(out.ptr + 6, end - 6);
    if (!str_eq(data, STR("[DONE]"))) must_be_json(g, data);
    out = str_skip(out, end + 2);
  }
}

static void check_stream(struct golden *g) {
  struct buf in, out, again;
  buf_init(&out, GOLDEN_FILE_MAX);
  buf_init(&again, GOLDEN_FILE_MAX);
  if (read_stream(g, &in)) {
    bool ok = dialect_run_stream(&g->target, answer_tool(g), buf_view(&in), in.len, &out, NULL);
    must_be_events(g, buf_view(&out));
    golden_compare(g, "client.sse", buf_view(&out));
    for (size_t step = 1; step <= 7; step++) {
      buf_clear(&again);
      assert_int_equal(dialect_run_stream(&g->target, answer_tool(g), buf_view(&in), step, &again, NULL), ok);
      assert_true(str_eq(buf_view(&out), buf_view(&again)));
    }
  }
  buf_free(&in);
  buf_free(&out);
  buf_free(&again);
}

// In two pieces, divided at `at`.
static void feed_divided(const struct golden *g, struct str in, size_t at, struct buf *out) {
  struct dialect_run run;
  assert_true(dialect_run_begin(&run, &g->target, answer_tool(g), out));
  dialect_run_feed(&run, str_from(in.ptr, at), out);
  dialect_run_feed(&run, str_skip(in, at), out);
  dialect_run_finish(&run, out);
  dialect_run_free(&run);
}

static void divide_stream(struct golden *g) {
  struct buf in, out, again;
  buf_init(&out, GOLDEN_FILE_MAX);
  buf_init(&again, GOLDEN_FILE_MAX);
  if (read_stream(g, &in)) {
    dialect_run_stream(&g->target, answer_tool(g), buf_view(&in), in.len, &out, NULL);
    for (size_t at = 0; at <= in.len; at++) {
      buf_clear(&again);
      feed_divided(g, buf_view(&in), at, &again);
      if (!str_eq(buf_view(&out), buf_view(&again))) fail_msg("%s/%s divided at %zu", g->dialect, g->name, at);
    }
  }
  buf_free(&in);
  buf_free(&out);
  buf_free(&again);
}

static struct str without_last_event(struct str out) {
  size_t end = out.len < 2 ? 0 : out.len - 2;
  while (end && !(out.ptr[end - 1] == '\n' && end >= 2 && out.ptr[end - 2] == '\n')) end--;
  return str_from(out.ptr, end);
}

// A stream that is cut ends in an error, and what came before it is what the whole stream shows. Only one cut behind
// its end, or at one that needs no more bytes, is whole, and then nothing is missing.
static void cut_stream(struct golden *g) {
  struct buf in, whole, out;
  buf_init(&whole, GOLDEN_FILE_MAX);
  buf_init(&out, GOLDEN_FILE_MAX);
  if (read_stream(g, &in)) {
    size_t end;
    bool good = dialect_run_stream(&g->target, answer_tool(g), buf_view(&in), in.len, &whole, &end);
    for (size_t cut = 0; cut < in.len; cut++) {
      buf_clear(&out);
      bool ok = dialect_run_stream(&g->target, answer_tool(g), str_from(in.ptr, cut), cut ? cut : 1, &out, NULL);
      bool same = str_eq(buf_view(&out), buf_view(&whole));
      if (ok && !(good && same)) fail_msg("%s/%s cut at %zu passes for whole", g->dialect, g->name, cut);
      if (!ok && !same && !str_starts(buf_view(&whole), without_last_event(buf_view(&out))))
        fail_msg("%s/%s cut at %zu: another text: %.*s", g->dialect, g->name, cut, STR_ARGS(buf_view(&out)));
      if (good && !ok && cut >= end && end) fail_msg("%s/%s cut at %zu is whole", g->dialect, g->name, cut);
    }
  }
  buf_free(&in);
  buf_free(&whole);
  buf_free(&out);
}

static void test_requests(void **state) {
  (void)state;
  assert_true(golden_each_dialect(check_request) > 0);
}

static void test_replies(void **state) {
  (void)state;
  golden_each_dialect(check_reply);
}

static void test_errors(void **state) {
  (void)state;
  golden_each_dialect(check_error);
}

static void test_streams(void **state) {
  (void)state;
  golden_each_dialect(check_stream);
}

static void test_divided_streams(void **state) {
  (void)state;
  golden_each_dialect(divide_stream);
}

static void test_cut_streams(void **state) {
  (void)state;
  golden_each_dialect(cut_stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_requests), cmocka_unit_test(test_replies),         cmocka_unit_test(test_errors),
      cmocka_unit_test(test_streams),  cmocka_unit_test(test_divided_streams), cmocka_unit_test(test_cut_streams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
