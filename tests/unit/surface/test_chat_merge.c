// Presets and variants in requests: what is merged, what is refused, hostile texts, and every allocation failing.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long allocations, fail_at;  // 0: never

static bool fails(void) {
  return ++allocations == fail_at;
}
static void *failing_malloc(size_t size) {
  return fails() ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size) {
  return fails() ? NULL : realloc(p, size);
}

#define malloc failing_malloc
#define realloc failing_realloc
// Everything that allocates on behalf of these. Their definitions here stand in for those of the library.
#include "base/arena.c"
#include "base/buf.c"
#include "json/json.c"
#undef malloc
#undef realloc

#include "surface/chat_merge.h"

static void same(struct str got, const char *want) {
  if (!str_eq(got, str_from_cstr(want))) fail_msg("\n got: %.*s\nwant: %s", STR_ARGS(got), want);
}

static void contains(struct str text, const char *part) {
  if (str_find(text, str_from_cstr(part), 0) == SIZE_MAX) fail_msg("\"%s\" is not in: %.*s", part, STR_ARGS(text));
}

// --- the merge ---

#define USER "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static const struct merge_case {
  const char *name, *body, *config, *prompt, *want;
} merges[] = {
    {"the preset's model", "{\"model\":\"@preset/x\"," USER "}", "{\"model\":\"a/b\",\"models\":[\"c/d\"]}", "",
     "{\"model\":\"a/b\"," USER ",\"models\":[\"c/d\"]}"},
    {"the request's model", "{\"model\":\"e/f:nitro@preset/x\"," USER "}", "{\"model\":\"a/b\"}", "",
     "{\"model\":\"e/f:nitro\"," USER "}"},
    {"by member", "{\"preset\":\"x\", \"model\" : \"e/f\"," USER "}", "{\"model\":\"a/b\",\"top_k\":4}", "",
     "{\"model\" : \"e/f\"," USER ",\"top_k\":4}"},
    {"by member, without a model", "{" USER ",\"preset\":\"x\"}", "{\"model\":\"a/b\"}", "",
     "{" USER ",\"model\":\"a/b\"}"},
    {"only models in the preset", "{\"model\":\"@preset/x\"," USER "}", "{\"models\":[\"a/b\",\"c/d\"]}", "",
     "{" USER ",\"models\":[\"a/b\",\"c/d\"]}"},
    {"only models in the request", "{\"preset\":\"x\",\"models\":[\"e/f\"]," USER "}",
     "{\"model\":\"a/b\",\"models\":[\"c/d\"]}", "", "{\"models\":[\"e/f\"]," USER "}"},
    {"a model and models behind it", "{\"model\":\"@preset/x\",\"models\":[\"e/f\"]," USER "}", "{\"model\":\"a/b\"}",
     "", "{\"model\":\"a/b\",\"models\":[\"e/f\"]," USER "}"},
    {"an escaped model", "{\"model\":\"\\u0040preset\\/x\"," USER "}", "{\"model\":\"a/b\"}", "",
     "{\"model\":\"a/b\"," USER "}"},
    {"a suffix behind the preset", "{\"model\":\"@preset/x:nitro\"," USER "}",
     "{\"model\":\"a\\u002fb\",\"models\":[\"c/d:free\",\"e/f\"]}", "",
     "{\"model\":\"a/b:nitro\"," USER ",\"models\":[\"c/d:free:nitro\",\"e/f:nitro\"]}"},
    {"a suffix behind preset and model", "{\"model\":\"e/f:free@preset/x:floor\"," USER "}",
     "{\"model\":\"a/b\",\"models\":[\"c/d\"]}", "", "{\"model\":\"e/f:free:floor\"," USER ",\"models\":[\"c/d\"]}"},
    {"a suffix, and only models in the preset", "{\"model\":\"@preset/x:nitro\"," USER "}", "{\"models\":[\"a/b\"]}",
     "", "{" USER ",\"models\":[\"a/b:nitro\"]}"},
    {"among models", "{\"models\":[\"@preset/x\", \"e\\u002ff\" ,\"g/h@preset/x:floor\"]," USER "}",
     "{\"model\":\"a/b\",\"models\":[\"c/d\"],\"top_k\":4}", "",
     "{\"models\":[\"a/b\",\"e\\u002ff\",\"g/h:floor\"]," USER ",\"top_k\":4}"},
    {"among models, with none of its own", "{\"models\":[\"e/f\",\"@preset/x:nitro\",7]," USER ",\"model\":\"g/h\"}",
     "{\"models\":[\"a/b\",\"c/d\"]}", "",
     "{\"models\":[\"e/f\",\"a/b:nitro\",\"c/d:nitro\",7]," USER ",\"model\":\"g/h\"}"},
    {"its models before the request's", "{\"model\":\"@preset/x:free\",\"models\":[\"e/f\"]," USER "}",
     "{\"models\":[\"a/b\",\"c/d\"]}", "", "{\"models\":[\"a/b:free\",\"c/d:free\",\"e/f\"]," USER "}"},
    {"without a model, among models", "{\"models\":[\"@preset/x\",\"e/f\"]," USER "}", "{\"top_k\":4}", "",
     "{\"models\":[\"e/f\"]," USER ",\"top_k\":4}"},
    {"without a model, behind one", "{\"model\":\"e/f\",\"models\":[\"@preset/x\"]," USER "}", "{\"top_k\":4}", "",
     "{\"model\":\"e/f\",\"models\":[]," USER ",\"top_k\":4}"},
    {"models that are no list", "{\"model\":\"@preset/x:free\",\"models\":\"e/f\"," USER "}", "{\"models\":[\"a/b\"]}",
     "", "{\"models\":\"e/f\"," USER "}"},
    {"the request wins, byte for byte",
     "{\"model\":\"@preset/x\",\"temperature\": 1.50e0 ," USER ",\"seed\":12345678901234567890}",
     "{\"model\":\"a/b\",\"temperature\":0.2,\"seed\":1,\"top_p\":0.5}", "",
     "{\"model\":\"a/b\",\"temperature\": 1.50e0," USER ",\"seed\":12345678901234567890,\"top_p\":0.5}"},
    {"however its key is spelt", "{\"model\":\"@preset/x\",\"temper\\u0061ture\":1," USER "}",
     "{\"model\":\"a/b\",\"temperature\":0.2}", "", "{\"model\":\"a/b\",\"temper\\u0061ture\":1," USER "}"},
    {"shallow", "{\"model\":\"@preset/x\",\"provider\":{\"sort\":\"price\"}," USER "}",
     "{\"model\":\"a/b\",\"provider\":{\"order\":[\"z\"]}}", "",
     "{\"model\":\"a/b\",\"provider\":{\"sort\":\"price\"}," USER "}"},
    {"null is not sent", "{\"model\":\"@preset/x\",\"temperature\":null,\"seed\":null," USER "}",
     "{\"model\":\"a/b\",\"temperature\":0.2,\"top_k\":null}", "",
     "{\"model\":\"a/b\",\"seed\":null," USER ",\"temperature\":0.2}"},
    {"a null model", "{\"preset\":\"x\",\"model\":null," USER "}", "{\"model\":\"a/b\"}", "",
     "{" USER ",\"model\":\"a/b\"}"},
    {"one cap", "{\"model\":\"@preset/x\",\"max_tokens\":7," USER "}",
     "{\"model\":\"a/b\",\"max_completion_tokens\":9}", "", "{\"model\":\"a/b\",\"max_tokens\":7," USER "}"},
    {"one wish for reasoning", "{\"model\":\"@preset/x\",\"reasoning_effort\":\"low\"," USER "}",
     "{\"model\":\"a/b\",\"reasoning\":{\"effort\":\"high\"},\"include_reasoning\":true}", "",
     "{\"model\":\"a/b\",\"reasoning_effort\":\"low\"," USER "}"},
    {"the cache's members stay", "{\"model\":\"@preset/x\"," USER "}",
     "{\"cache_enabled\":true,\"model\":\"a/b\",\"cache_ttl_seconds\":60}", "", "{\"model\":\"a/b\"," USER "}"},
    {"unknown members of both", "{\"model\":\"@preset/x\",\"mine\":[1]," USER "}", "{\"model\":\"a/b\",\"theirs\":{}}",
     "", "{\"model\":\"a/b\",\"mine\":[1]," USER ",\"theirs\":{}}"},
    {"no messages of a preset's", "{\"model\":\"@preset/x\"}", "{\"model\":\"a/b\",\"messages\":[1],\"preset\":\"y\"}",
     "", "{\"model\":\"a/b\"}"},
    // the system prompt
    {"a prompt", "{\"model\":\"@preset/x\",\"messages\": [ {\"role\":\"user\",\"content\":\"hi\"}]}",
     "{\"model\":\"a/b\"}", "Say \"no\".\n",
     "{\"model\":\"a/b\",\"messages\":[{\"role\":\"system\",\"content\":\"Say \\\"no\\\".\\n\"}, "
     "{\"role\":\"user\",\"content\":\"hi\"}]}"},
    {"the request's own",
     "{\"model\":\"@preset/x\",\"messages\":[{\"role\":\"user\"},{\"content\":\"s\",\"role\":\"system\"}]}",
     "{\"model\":\"a/b\"}", "Not this.",
     "{\"model\":\"a/b\",\"messages\":[{\"role\":\"user\"},{\"content\":\"s\",\"role\":\"system\"}]}"},
    {"a developer's", "{\"model\":\"@preset/x\",\"messages\":[{\"role\":\"developer\",\"content\":\"s\"}]}",
     "{\"model\":\"a/b\"}", "Not this.",
     "{\"model\":\"a/b\",\"messages\":[{\"role\":\"developer\",\"content\":\"s\"}]}"},
    {"none to no messages", "{\"model\":\"@preset/x\",\"messages\":[]}", "{\"model\":\"a/b\"}", "P",
     "{\"model\":\"a/b\",\"messages\":[]}"},
    {"none to what is no list", "{\"model\":\"@preset/x\",\"messages\":{\"a\":1}}", "{\"model\":\"a/b\"}", "P",
     "{\"model\":\"a/b\",\"messages\":{\"a\":1}}"},
    // tools
    {"tools by name",
     "{\"model\":\"a/b@preset/x\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"n\"}},"
     "{\"type\":\"function\", \"function\":{\"name\":\"\\u0066\",\"own\":1}}]}",
     "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":"
     "\"g\"}}]}",
     "",
     "{\"model\":\"a/b\",\"tools\":[{\"type\":\"function\", \"function\":{\"name\":\"\\u0066\",\"own\":1}},"
     "{\"type\":\"function\",\"function\":{\"name\":\"g\"}},{\"type\":\"function\",\"function\":{\"name\":\"n\"}}]}"},
    {"tools by type",
     "{\"model\":\"a/b@preset/x\",\"tools\":[{\"type\":\"openrouter:web_search\",\"parameters\":{\"max_results\":2}}]}",
     "{\"tools\":[{\"type\":\"openrouter:datetime\"},{\"type\":\"openrouter:web_search\"}]}", "",
     "{\"model\":\"a/b\",\"tools\":[{\"type\":\"openrouter:datetime\"},"
     "{\"type\":\"openrouter:web_search\",\"parameters\":{\"max_results\":2}}]}"},
    {"advisors by type and name",
     "{\"model\":\"a/b@preset/x\",\"tools\":[{\"type\":\"openrouter:advisor\",\"parameters\":{\"name\":\"two "
     "\",\"model\":\"m\"}},{\"type\":\"openrouter:subagent\"}]}",
     "{\"tools\":[{\"type\":\"openrouter:advisor\"},{\"type\":\"openrouter:advisor\",\"parameters\":{\"name\":\"two\"}"
     "}]}",
     "",
     "{\"model\":\"a/b\",\"tools\":[{\"type\":\"openrouter:advisor\"},{\"type\":\"openrouter:advisor\",\"parameters\":"
     "{\"name\":\"two \",\"model\":\"m\"}},{\"type\":\"openrouter:subagent\"}]}"},
    {"tools the request has twice", "{\"model\":\"a/b@preset/x\",\"tools\":[{\"type\":\"t\"},{\"type\":\"t\"}]}",
     "{\"tools\":[{\"type\":\"t\",\"a\":1},{\"type\":\"t\",\"a\":2}]}", "",
     "{\"model\":\"a/b\",\"tools\":[{\"type\":\"t\"},{\"type\":\"t\"}]}"},
    {"tools without identity", "{\"model\":\"a/b@preset/x\",\"tools\":[1,{},{\"type\":\"function\"},{\"type\":\"t\"}]}",
     "{\"tools\":[{},{\"type\":\"function\"},[]]}", "",
     "{\"model\":\"a/b\",\"tools\":[{},{\"type\":\"function\"},[],1,{},{\"type\":\"function\"},{\"type\":\"t\"}]}"},
    {"no tools of the request's", "{\"model\":\"a/b@preset/x\",\"tools\":[]}", "{\"tools\":[{\"type\":\"t\"}]}", "",
     "{\"model\":\"a/b\",\"tools\":[{\"type\":\"t\"}]}"},
    {"tools that are no list", "{\"model\":\"a/b@preset/x\",\"tools\":\"t\"}", "{\"tools\":[{\"type\":\"t\"}]}", "",
     "{\"model\":\"a/b\",\"tools\":\"t\"}"},
    {"nothing at all", "{}", "{}", "", "{}"},
};

static bool merge(const struct merge_case *c, struct arena *arena, struct str *out, struct fault_note *note) {
  struct chat_preset preset = {str_from_cstr(c->config), str_from_cstr(c->prompt)};
  struct chat_merge_flags flags;
  return chat_merge(str_from_cstr(c->body), &preset, arena, out, &flags, note);
}

static void test_merges(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
    struct arena arena = {0};
    struct fault_note note;
    struct str out;
    if (!merge(&merges[i], &arena, &out, &note)) fail_msg("%s: %.*s", merges[i].name, STR_ARGS(note.message));
    same(out, merges[i].want);
    arena_free(&arena);
  }
}

static void test_what_cannot_be_merged(void **state) {
  (void)state;
  static const struct merge_case cases[] = {
      {"", "{\"a\":1,\"\\u0061\":2}", "{}", "", "not valid JSON"},
      {"", "{\"a\":", "{}", "", "not valid JSON"},
      {"", "", "{}", "", "not valid JSON"},
      {"", "[]", "{}", "", "must be a JSON object"},
      {"", "{}", "[]", "", "damaged"},
      {"", "{}", "", "", "damaged"},
      {"", "{}", "{\"a\":1,\"a\":2}", "", "damaged"},
      {"", "{\"model\":\"@preset/x\"}", "{\"temperature\":1}", "", "names no model"},
      {"", "{\"model\":\"@preset/x\",\"models\":null}", "{\"model\":null}", "", "names no model"},
      {"", "{\"model\":\"@preset/x:free\",\"models\":[]}", "{\"models\":[]}", "", "names no model"},
      {"", "{\"models\":[\"@preset/x\",\"@preset/x:free\"]}", "{\"temperature\":1}", "", "names no model"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct arena arena = {0};
    struct fault_note note;
    struct str out;
    assert_false(merge(&cases[i], &arena, &out, &note));
    assert_true(note.fault != FAULT_NONE);
    contains(note.message, cases[i].want);
    arena_free(&arena);
  }
}

static void test_flags(void **state) {
  (void)state;
  static const struct {
    const char *config;
    struct chat_merge_flags want;
  } cases[] = {
      {"{}", {0}},
      {"{\"cache_enabled\":true}", {.has_cache_enabled = true, .cache_enabled = true}},
      {"{\"cache_enabled\":false,\"cache_ttl_seconds\":60}",
       {.has_cache_enabled = true, .has_cache_ttl = true, .cache_ttl_seconds = 60}},
      {"{\"cache_ttl_seconds\":1e300}", {.has_cache_ttl = true, .cache_ttl_seconds = 86400}},
      {"{\"cache_ttl_seconds\":-5}", {.has_cache_ttl = true, .cache_ttl_seconds = 1}},
      {"{\"cache_enabled\":\"yes\",\"cache_ttl_seconds\":\"60\"}", {0}},
      {"{\"cache_enabled\":null,\"cache_ttl_seconds\":null}", {0}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct arena arena = {0};
    struct fault_note note;
    struct str out;
    struct chat_merge_flags flags;
    struct chat_preset preset = {str_from_cstr(cases[i].config), {0}};
    assert_true(chat_merge(STR("{}"), &preset, &arena, &out, &flags, &note));
    assert_int_equal(flags.has_cache_enabled, cases[i].want.has_cache_enabled);
    assert_int_equal(flags.has_cache_ttl, cases[i].want.has_cache_ttl);
    if (flags.has_cache_enabled) assert_int_equal(flags.cache_enabled, cases[i].want.cache_enabled);
    if (flags.has_cache_ttl) assert_int_equal(flags.cache_ttl_seconds, cases[i].want.cache_ttl_seconds);
    arena_free(&arena);
  }
}

// Ten thousand tools on either side, half of them the same, and a prompt all of whose bytes must be escaped.
static void test_much(void **state) {
  (void)state;
  enum { TOOLS = 10000 };
  struct arena arena = {0};
  struct buf body, config;
  buf_init(&body, SIZE_MAX / 2);
  buf_init(&config, SIZE_MAX / 2);
  buf_lit(&body, "{" USER ",\"tools\":[");
  buf_lit(&config, "{\"tools\":[");
  for (int i = 0; i < TOOLS; i++) {
    buf_printf(&body, "%s{\"type\":\"function\",\"function\":{\"name\":\"f%d\",\"own\":1}}", i ? "," : "",
               i + TOOLS / 2);
    buf_printf(&config, "%s{\"type\":\"function\",\"function\":{\"name\":\"f%d\"}}", i ? "," : "", i);
  }
  buf_lit(&body, "]}");
  buf_lit(&config, "]}");
  static char prompt[100000];
  memset(prompt, 1, sizeof prompt);
  struct chat_preset preset = {buf_view(&config), str_from(prompt, sizeof prompt)};
  struct chat_merge_flags flags;
  struct fault_note note;
  struct str out;
  struct json_doc doc = {0};
  assert_true(chat_merge(buf_view(&body), &preset, &arena, &out, &flags, &note));
  assert_int_equal(json_parse(&doc, out, 4), JSON_OK);
  uint32_t tools = json_get(&doc, 0, STR("tools")), n = 0;
  for (uint32_t t = json_first(&doc, tools); t != JSON_NONE; t = json_next(&doc, tools, t), n++) {
    uint32_t function = json_get(&doc, t, STR("function"));
    char name[16];
    snprintf(name, sizeof name, "f%u", n);
    assert_true(json_string_is(&doc, json_get(&doc, function, STR("name")), str_from_cstr(name)));
    assert_int_equal(json_get(&doc, function, STR("own")) != JSON_NONE, n >= TOOLS / 2);
  }
  assert_int_equal(n, TOOLS + TOOLS / 2);
  json_doc_free(&doc);
  buf_free(&body);
  buf_free(&config);
  arena_free(&arena);
}

// --- variants ---

static const struct variant_case {
  const char *body;
  bool thinking, online;
  const char *want;
} variants[] = {
    {"{\"a\" : 1}", true, false, "{\"a\" : 1,\"reasoning\":{\"enabled\":true}}"},
    {"{}", true, true, "{\"reasoning\":{\"enabled\":true},\"plugins\":[{\"id\":\"web\"}]}"},
    {"{ }", false, false, "{ }"},
    {"{\"reasoning\":{}}", true, false, "{\"reasoning\":{}}"},
    {"{\"reasoning\":null}", true, false, "{\"reasoning\":{\"enabled\":true}}"},
    {"{\"reasoning_effort\":\"none\"}", true, false, "{\"reasoning_effort\":\"none\"}"},
    {"{\"include_reasoning\":false}", true, false, "{\"include_reasoning\":false}"},
    {"{\"plugins\":[ ]}", false, true, "{\"plugins\":[{\"id\":\"web\"}]}"},
    {"{\"plugins\":null,\"b\":2}", false, true, "{\"b\":2,\"plugins\":[{\"id\":\"web\"}]}"},
    {"{\"plugins\":[{\"id\":\"x\"} ],\"b\":2}", false, true,
     "{\"plugins\":[{\"id\":\"x\"} ,{\"id\":\"web\"}],\"b\":2}"},
    {"{\"plugins\":[{\"id\":\"w\\u0065b\",\"enabled\":false}]}", false, true,
     "{\"plugins\":[{\"id\":\"w\\u0065b\",\"enabled\":false}]}"},
    {"{\"plugins\":7}", false, true, "{\"plugins\":7}"},
    {"{\"web_search_options\":{}}", false, true, "{\"web_search_options\":{}}"},
    {"{\"tools\":[{\"type\":\"openrouter:web_search\"}]}", false, true,
     "{\"tools\":[{\"type\":\"openrouter:web_search\"}]}"},
};

static void test_variants(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    const struct variant_case *c = &variants[i];
    struct arena arena = {0};
    struct fault_note note;
    struct str out;
    assert_true(chat_merge_variant(str_from_cstr(c->body), c->thinking, c->online, &arena, &out, &note));
    same(out, c->want);
    arena_free(&arena);
  }
  struct arena arena = {0};
  struct fault_note note;
  struct str out;
  assert_false(chat_merge_variant(STR("[1]"), true, true, &arena, &out, &note));
  struct chat_request r;
  assert_true(chat_request_parse(&r, STR("{" USER "}"), &arena, &note));
  assert_true(chat_request_vary(&r, false, false, &arena, &note));
  same(r.body, "{" USER "}");
  for (int i = 0; i < 2; i++) {
    assert_true(chat_request_vary(&r, true, true, &arena, &note));
    same(r.body, "{" USER ",\"reasoning\":{\"enabled\":true},\"plugins\":[{\"id\":\"web\"}]}");
  }
  chat_request_free(&r);
  arena_free(&arena);
}

// --- a preset of a request ---

static const struct read_case {
  const char *body, *config, *prompt;
} reads[] = {
    {"{\"model\":\"a/b\",\"temperature\": 0.70,\"stream\":true,\"stream_options\":{},\"user\":\"u\",\"n\":2,\"odd\":1,"
     "\"metadata\":{},\"session_id\":\"s\",\"prompt\":\"p\",\"usage\":{},\"seed\":null,"
     "\"messages\":[{\"role\":\"system\",\"content\":\"Be \\u00e4 "
     "help.\"},{\"role\":\"user\",\"content\":\"Hello!\"}]}",
     "{\"model\":\"a/b\",\"temperature\": 0.70}", "Be \xc3\xa4 help."},
    {"{\"cache_enabled\":true,\"cache_ttl_seconds\":30,\"provider\":{\"only\":[\"x\"]},\"tools\":[{\"type\":\"t\"}]}",
     "{\"cache_enabled\":true,\"cache_ttl_seconds\":30,\"provider\":{\"only\":[\"x\"]},\"tools\":[{\"type\":\"t\"}]}",
     ""},
    {"{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
     "\"text\":"
     "\"b\"}]},{\"role\":\"system\",\"content\":\"c\"},{\"role\":\"system\",\"content\":null},7],\"system_prompt\":"
     "\"d\"}",
     "{}", "a\n\nb\n\nc"},
    {"{\"system_prompt\":\"d\",\"messages\":[]}", "{}", "d"},
    {"{}", "{}", ""},
};

static void test_reads_a_preset(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
    struct arena arena = {0};
    struct fault_note note;
    struct chat_preset preset;
    if (!chat_preset_read(str_from_cstr(reads[i].body), &arena, &preset, &note))
      fail_msg("%s: %.*s", reads[i].body, STR_ARGS(note.message));
    same(preset.config, reads[i].config);
    same(preset.system_prompt, reads[i].prompt);
    arena_free(&arena);
  }
}

static void test_refuses_a_preset(void **state) {
  (void)state;
  static const struct {
    const char *body, *why;
  } cases[] = {
      {"", "not valid JSON"},
      {"[]", "JSON object"},
      {"{\"model\":1}", "\"model\" must be a string"},
      {"{\"model\":\"\"}", "\"model\" is empty"},
      {"{\"model\":\"@preset/x\"}", "not another preset"},
      {"{\"models\":[\"a/b\",\"a/b@preset/x\"]}", "not another preset"},
      {"{\"temperature\":3}", "\"temperature\" must be a number from 0 to 2"},
      {"{\"tools\":{}}", "\"tools\" must be an array"},
      {"{\"messages\":{}}", "\"messages\" must be an array"},
      {"{\"system_prompt\":[]}", "\"system_prompt\" must be a string"},
      {"{\"cache_enabled\":1}", "\"cache_enabled\" must be true or false"},
      {"{\"cache_ttl_seconds\":0}", "from 1 to 86400"},
      {"{\"messages\":[{\"role\":\"system\",\"content\":\"\\ud800\"}]}", "half a surrogate pair"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct arena arena = {0};
    struct fault_note note;
    struct chat_preset preset;
    assert_false(chat_preset_read(str_from_cstr(cases[i].body), &arena, &preset, &note));
    assert_int_equal(note.fault, FAULT_BAD_REQUEST);
    contains(note.message, cases[i].why);
    arena_free(&arena);
  }
}

static void test_a_preset_has_a_size(void **state) {
  (void)state;
  for (int over = 0; over < 2; over++) {
    struct arena arena = {0};
    struct fault_note note;
    struct chat_preset preset;
    struct buf body;
    buf_init(&body, SIZE_MAX / 2);
    buf_lit(&body, "{\"system_prompt\":\"");
    for (int i = 0; i < CHAT_PRESET_MAX - 2 + over; i++) buf_char(&body, 'p');
    buf_lit(&body, "\"}");
    assert_int_equal(chat_preset_read(buf_view(&body), &arena, &preset, &note), !over);
    if (over) contains(note.message, "too large");
    buf_free(&body);
    arena_free(&arena);
  }
}

// --- every allocation fails once ---

static void test_allocations(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
    bool ok = false;
    for (fail_at = 1; !ok; fail_at++) {
      struct arena arena = {0};
      struct fault_note note;
      struct str out;
      allocations = 0;
      ok = merge(&merges[i], &arena, &out, &note);
      if (ok) same(out, merges[i].want);
      if (!ok) assert_int_equal(note.fault, FAULT_INTERNAL);
      arena_free(&arena);
    }
  }
  for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
    bool ok = false;
    for (fail_at = 1; !ok; fail_at++) {
      struct arena arena = {0};
      struct fault_note note;
      struct chat_preset preset;
      allocations = 0;
      ok = chat_preset_read(str_from_cstr(reads[i].body), &arena, &preset, &note);
      if (ok) same(preset.config, reads[i].config);
      if (!ok) assert_int_equal(note.fault, FAULT_INTERNAL);
      arena_free(&arena);
    }
  }
  fail_at = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_merges),
      cmocka_unit_test(test_what_cannot_be_merged),
      cmocka_unit_test(test_flags),
      cmocka_unit_test(test_much),
      cmocka_unit_test(test_variants),
      cmocka_unit_test(test_reads_a_preset),
      cmocka_unit_test(test_refuses_a_preset),
      cmocka_unit_test(test_a_preset_has_a_size),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
