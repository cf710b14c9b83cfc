// Every recorded stream of every provider, in pieces: whole, byte by byte, in two divided at every byte, and cut behind
// every byte, and with other ends of lines. However it is divided, the client gets the same bytes; a cut stream ends as
// an error unless the provider's own end is in it. Skipped where there are no recordings.
//
// The work is the square of a stream's length. Short ones are done so. A long one is divided in phases: each run
// divides it at all places that leave the same rest, so that after STEP runs every place has been one. Its cuts are
// grouped: what comes of a cut depends on which events were whole before it, where the dialect asks nothing of the
// rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat_run.h"
#include "recorded.h"
#include "wire/aws_event_stream.h"

enum { SHORT = 2500, STEP = 251 };

static struct {
  unsigned streams, errors;
  size_t bytes, divided, cut, spelt;
} seen;
static const char *current;

// --- what is run ---

// A stream, of a provider that is translated or of one whose chunks are spliced.
struct subject {
  struct target target;
  bool spliced;
  struct str bytes, end_mark;  // the first bytes of what may be the provider's own end
};

struct feed {
  const struct subject *subject;
  struct run spliced;
  struct dialect_run translated;
};

static void feed_begin(struct feed *f, const struct subject *s, struct buf *out) {
  *f = (struct feed){.subject = s};
  if (s->spliced)
    assert_true(run_begin(&f->spliced, &s->target));
  else
    assert_true(dialect_run_begin(&f->translated, &s->target, (struct str){0}, out));
}

static void feed_bytes(struct feed *f, struct str bytes, struct buf *out) {
  if (!f->subject->spliced)
    dialect_run_feed(&f->translated, bytes, out);
  else if (!f->spliced.over)
    run_feed(&f->spliced, bytes, out);
}

// The body has ended; true: the answer was whole.
static bool feed_end(struct feed *f, struct buf *out) {
  if (!f->subject->spliced)
    dialect_run_finish(&f->translated, out);
  else if (!f->spliced.over)
    run_finish(&f->spliced, false, out);
  bool ok = f->subject->spliced ? !f->spliced.failed : !f->translated.failed;
  if (f->subject->spliced)
    run_end(&f->spliced);
  else
    dialect_run_free(&f->translated);
  assert_false(out->failed);
  return ok;
}

// In pieces of `step` bytes behind a first one of `first`.
static bool run_pieces(const struct subject *s, struct str bytes, size_t first, size_t step, struct buf *out) {
  struct feed f;
  buf_clear(out);
  feed_begin(&f, s, out);
  for (size_t at = 0, n = first; at < bytes.len; at += n, n = step) {
    if (n > bytes.len - at) n = bytes.len - at;
    feed_bytes(&f, str_from(bytes.ptr + at, n), out);
  }
  return feed_end(&f, out);
}

// --- divided ---

static void must_be_same(struct str whole, const struct buf *out, size_t first, size_t step) {
  if (!str_eq(whole, buf_view(out)))
    fail_msg("%s: %zu bytes, then %zu a piece: another answer: %.*s", current, first, step, STR_ARGS(buf_view(out)));
}

static void divide(const struct subject *s, struct str whole, struct buf *out) {
  size_t len = s->bytes.len, step = len <= SHORT ? len : STEP;
  run_pieces(s, s->bytes, 1, 1, out);
  must_be_same(whole, out, 1, 1);
  for (size_t first = 1; first <= step && first <= len; first++) {
    run_pieces(s, s->bytes, first, step, out);
    must_be_same(whole, out, first, step);
  }
  seen.divided += len;
}

// --- cut ---

static struct str without_last_event(struct str out) {
  size_t end = out.len < 2 ? 0 : out.len - 2;
  while (end && !(out.ptr[end - 1] == '\n' && end >= 2 && out.ptr[end - 2] == '\n')) end--;
  return str_from(out.ptr, end);
}

static void check_cut(const struct subject *s, size_t cut, struct str whole, struct buf *out) {
  bool ok = run_pieces(s, str_from(s->bytes.ptr, cut), cut, cut, out);
  size_t mark = str_find(s->bytes, s->end_mark, 0);
  if (mark == SIZE_MAX) mark = str_find(s->bytes, STR("\"blockReason\""), 0);  // Gemini answers nothing at all
  if (ok && (mark == SIZE_MAX || cut < mark))
    fail_msg("%s: cut at %zu of %zu passes for whole: %.*s", current, cut, s->bytes.len, STR_ARGS(buf_view(out)));
  if (!ok && !str_starts(whole, without_last_event(buf_view(out))))
    fail_msg("%s: cut at %zu: another text: %.*s", current, cut, STR_ARGS(buf_view(out)));
}

// Where the events that are whole in the first `cut` bytes end, from the end of one on: what is behind has no meaning
// yet.
static size_t whole_events(const struct subject *s, size_t at, size_t cut) {
  bool frames = !s->spliced && dialect_of(&s->target.endpoint)->frames == FRAMES_AWS;
  size_t taken;
  struct sse sse;
  struct sse_event event;
  struct aws_event frame;
  sse_init(&sse, 1 << 24);
  for (;;) {
    struct str rest = str_from(s->bytes.ptr + at, cut - at);
    bool more = frames ? aws_event_next(rest, &taken, &frame) == AWS_EVENT_MORE
                       : sse_next(&sse, rest, &taken, &event) == SSE_MORE;
    at += more ? 0 : taken;
    if (more) break;
  }
  sse_free(&sse);
  return at;
}

static void cut_everywhere(const struct subject *s, struct str whole, bool good, struct buf *out) {
  const struct dialect *d = s->spliced ? NULL : dialect_of(&s->target.endpoint);
  bool rest_counts = (d && d->stream_end) || !good;
  size_t events = 0, made = SIZE_MAX;  // the end of the whole events at the last cut, and at the last that was made
  for (size_t cut = 0; cut < s->bytes.len; cut++) {
    seen.cut++;
    if (!rest_counts && s->bytes.len > SHORT) {
      events = whole_events(s, events, cut);
      if (events == made) continue;
      made = events;
    }
    check_cut(s, cut, whole, out);
  }
}

// --- spelt in other ways ---

// The same events with other ends of lines, without the blank behind the colon, with comments between them.
static void spell(struct str bytes, const char *line_end, bool blank, bool comments, struct buf *out) {
  struct str line;
  buf_clear(out);
  while (str_split(&bytes, '\n', &line)) {
    bool data = !blank && str_starts(line, STR("data: "));
    if (comments && !line.len) buf_printf(out, "%s: a comment%s", line_end, line_end);
    if (data) buf_lit(out, "data:");
    buf_str(out, data ? str_skip(line, 6) : line);
    buf_str(out, str_from_cstr(line_end));
  }
}

static void spell_otherwise(const struct subject *s, struct str whole, struct buf *out) {
  static const struct {
    const char *line_end;
    bool blank, comments;
  } ways[] = {{"\r\n", true, false}, {"\r", true, false}, {"\n", false, false}, {"\r\n", false, true}};
  struct buf bytes;
  bool frames = !s->spliced && dialect_of(&s->target.endpoint)->frames == FRAMES_AWS;
  if (frames || !str_ends(s->bytes, STR("\n\n")) || str_find_char(s->bytes, '\r', 0) != SIZE_MAX) return;
  if (str_find(s->bytes, STR("\n{"), 0) != SIZE_MAX) return;  // Google's errors outside of events
  buf_init(&bytes, 1 << 26);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    spell(s->bytes, ways[i].line_end, ways[i].blank, ways[i].comments, &bytes);
    const size_t steps[] = {1, 2, 3, bytes.len};
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
      run_pieces(s, buf_view(&bytes), steps[k], steps[k], out);
      if (!str_eq(whole, buf_view(out)))
        fail_msg("%s: spelt in way %zu, %zu bytes a piece: another answer: %.*s", current, i, steps[k],
                 STR_ARGS(buf_view(out)));
    }
    seen.spelt++;
  }
  buf_free(&bytes);
}

// --- one stream ---

static void check(struct subject *s, struct str bytes) {
  struct buf whole, out;
  buf_init(&whole, 1 << 26);
  buf_init(&out, 1 << 26);
  s->bytes = bytes;
  bool good = run_pieces(s, bytes, bytes.len, bytes.len, &whole);
  divide(s, buf_view(&whole), &out);
  cut_everywhere(s, buf_view(&whole), good, &out);
  spell_otherwise(s, buf_view(&whole), &out);
  seen.streams++;
  seen.bytes += bytes.len;
  seen.errors += !good;
  if (!good && getenv("RECORDED_SHOW")) printf("# ends as an error: %s\n", current);
  buf_free(&whole);
  buf_free(&out);
}

// --- which dialect it is ---

struct row {
  const char *in_url, *folder, *made;  // what tells: a part of the URL, the folder, or how a file made by hand begins
  const char *provider, *model;
  const char *end_mark;
};

static const struct row rows[] = {
    {"/messages", "/anthropic/", "/anthropic-", "anthropic", "claude-sonnet-4-5", "message_stop"},
    {"aiplatform", "/google-vertex/", "/vertex-", "google-vertex", "gemini-2.5-flash", "\"finishReason\""},
    {"enerateContent", "/google-gemini/", "/gemini-", "google-ai-studio", "gemini-2.5-flash", "\"finishReason\""},
    {"/converse", "/aws-bedrock/", "/bedrock-", "amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
     "metadata"},
    {"/v2/chat", "/cohere/", "/cohere-", "cohere", "command-a-03-2025", "\"message-end\""},
    {"mistral", "/mistral/", "/mistral-", "mistral", "mistral-small-latest", "[DONE]"},
};

static bool is_of(const struct recorded *r, const struct row *row) {
  if (r->url) return strstr(r->url, row->in_url) != NULL;
  return strstr(r->file, strstr(r->file, "/synthetic/") ? row->made : row->folder) != NULL;
}

static bool target_of(const struct recorded *r, struct subject *s) {
  bool responses =
      r->url ? strstr(r->url, "/responses") != NULL : str_find(r->reply, STR("\"response."), 0) != SIZE_MAX;
  *s = (struct subject){0};
  if (responses) {
    dialect_target_init(&s->target, "openai", "gpt-5");
    s->target.endpoint.api = API_RESPONSES;
    s->end_mark = STR("\"response.completed\"");
    return true;
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!is_of(r, &rows[i])) continue;
    dialect_target_init(&s->target, rows[i].provider, rows[i].model);
    s->end_mark = str_from_cstr(rows[i].end_mark);
    return true;
  }
  if (r->url && !strstr(r->url, "/chat/completions")) return false;
  const char *provider = strstr(r->file, "/azure") ? "azure" : strstr(r->file, "/groq") ? "groq" : "openrouter";
  dialect_target_init(&s->target, provider, "their-model");
  s->spliced = true;
  s->end_mark = STR("\"finish_reason\":\"");
  return true;
}

static void on_exchange(const struct recorded *r) {
  struct subject s;
  if (r->status != 200 || !recorded_is_stream(r) || strstr(r->file, "sse-edge-cases") || !target_of(r, &s)) return;
  current = r->file;
  check(&s, r->reply);
}

static void test_streams(void **state) {
  (void)state;
  if (!recorded_there()) skip();
  recorded_each(recorded_root(), on_exchange);
  printf(
      "# %u streams (%u of them end as errors), %zu bytes; divided at %zu places, cut at %zu, %zu times spelt in other "
      "ways\n",
      seen.streams, seen.errors, seen.bytes, seen.divided, seen.cut, seen.spelt);
  assert_true(seen.streams > 0);
}

// --- lines as they may come ---

static void test_lines(void **state) {
  static const char *const wanted[] = {"{\"n\":1}", "{\"n\":\n2}", "{\"n\":3}", "é你😀"};
  char path[1024];
  (void)state;
  if (!recorded_there()) skip();
  snprintf(path, sizeof path, "%s/synthetic/sse-edge-cases.sse", recorded_root());
  struct str text = recorded_read(path);
  for (size_t step = 1; step <= text.len; step++) {
    struct sse sse;
    struct sse_event event;
    size_t at = 0, found = 0, taken;
    sse_init(&sse, 1 << 20);
    for (size_t given = step; at < text.len; given = given + step < text.len ? given + step : text.len) {
      enum sse_result result;
      while ((result = sse_next(&sse, str_from(text.ptr + at, given - at), &taken, &event)) != SSE_MORE) {
        at += taken;
        if (result != SSE_EVENT || !event.data.len) continue;
        assert_true(found < sizeof wanted / sizeof *wanted);
        assert_true(str_eq(event.data, str_from_cstr(wanted[found++])));
      }
      at += taken;
      if (given == text.len) break;
    }
    assert_int_equal(found, sizeof wanted / sizeof *wanted);
    sse_free(&sse);
  }
  free((char *)text.ptr);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_streams)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
