// The `provider` object: what it becomes, and what is refused in which words.
#include "surface/preferences.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka wants the first three before it.
#include <cmocka.h>

static struct arena arena;
static struct preferences got;
static struct fault_note note;

static bool read_in(struct arena *a, const char *provider) {
  static char body[1 << 16];
  struct chat_request r;
  struct arena own = {0};
  int len = snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]%s%s}",
                     provider ? ",\"provider\":" : "", provider ? provider : "");
  note = (struct fault_note){0};
  assert_true(chat_request_parse(&r, str_from(body, (size_t)len), &own, &note));
  bool good = preferences_read(&r, a, &got, &note);
  assert_int_equal(good, note.fault == FAULT_NONE);
  chat_request_free(&r);
  arena_free(&own);
  return good;
}

static void good(const char *provider) {
  if (!read_in(&arena, provider)) fail_msg("%s: %.*s", provider, STR_ARGS(note.message));
}

static bool is_nothing(const struct preferences *p) {
  const struct preferences *n = &PREFERENCES_NONE;
  return !p->order.count && !p->only.count && !p->ignore.count && !p->no_fallbacks && !p->require_parameters &&
         !p->deny_collection && !p->zdr && !p->quantizations && p->sort == SORT_NONE && !p->across_models &&
         !p->min_throughput.given && !p->max_latency.given && p->max_prompt == n->max_prompt &&
         p->max_completion == n->max_completion && p->max_request == n->max_request && p->max_image == n->max_image &&
         p->max_audio == n->max_audio;
}

static void test_nothing(void **state) {
  (void)state;
  static const char *const rows[] = {
      NULL,
      "null",
      "{}",
      "{\"order\":null,\"only\":null,\"ignore\":null,\"allow_fallbacks\":null,\"require_parameters\":null,"
      "\"data_collection\":null,\"zdr\":null,\"enforce_distillable_text\":null,\"quantizations\":null,\"sort\":null,"
      "\"preferred_min_throughput\":null,\"preferred_max_latency\":null,\"max_price\":null,\"options\":null}",
      "{\"order\":[],\"only\":[],\"ignore\":[],\"quantizations\":[],\"max_price\":{},\"sort\":{},"
      "\"preferred_max_latency\":{}}",
      "{\"allow_fallbacks\":true,\"data_collection\":\"allow\",\"zdr\":false,\"enforce_distillable_text\":false}",
      "{\"max_price\":{\"prompt\":null},\"sort\":{\"by\":null,\"partition\":\"model\"}}",
      "{\"options\":{}}",
      "{\"options\":{\"openai\":{\"x\":[1]},\"google-vertex/global\":{},\"nobody\":null}}",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    good(rows[i]);
    if (!is_nothing(&got)) fail_msg("%s says something", rows[i]);
  }
}

static void test_everything(void **state) {
  (void)state;
  good(
      "{\"order\":[\"openai\",\"a\\u007ab\"],\"only\":[\"deepinfra/fp8\"],\"ignore\":[\"x\",\"y\",\"\"],"
      "\"allow_fallbacks\":false,\"require_parameters\":true,\"data_collection\":\"deny\",\"zdr\":true,"
      "\"quantizations\":[\"fp8\",\"unknown\",\"fp8\"],\"sort\":{\"by\":\"latency\",\"partition\":\"none\"},"
      "\"preferred_min_throughput\":40,\"preferred_max_latency\":{\"p50\":1.5,\"p99\":3,\"p90\":null},"
      "\"max_price\":{\"prompt\":\"0.15\",\"completion\":2,\"request\":0.01,\"image\":\"1e-3\",\"audio\":0}}");
  assert_int_equal(got.order.count, 2);
  assert_true(str_eq(got.order.items[1], STR("azb")));
  assert_int_equal(got.only.count, 1);
  assert_true(str_eq(got.only.items[0], STR("deepinfra/fp8")));
  assert_int_equal(got.ignore.count, 3);
  assert_true(got.no_fallbacks && got.require_parameters && got.deny_collection && got.zdr && got.across_models);
  assert_int_equal(got.quantizations, 1 << QUANTIZATION_fp8 | 1 << QUANTIZATION_unknown);
  assert_int_equal(got.sort, SORT_LATENCY);
  assert_true(got.min_throughput.given && got.min_throughput.at[CUTOFF_P50] == 40);
  assert_true(got.max_latency.at[CUTOFF_P50] == 1.5 && got.max_latency.at[CUTOFF_P99] == 3);
  assert_true(got.max_latency.at[CUTOFF_P75] == 0 && got.max_latency.at[CUTOFF_P90] == 0);
  assert_int_equal(got.max_prompt, 150000000);
  assert_int_equal(got.max_completion, 2000000000);
  assert_int_equal(got.max_request, 10000000000000);
  assert_int_equal(got.max_image, 1000000000000);
  assert_int_equal(got.max_audio, 0);
  static const char *const sorts[] = {"price", "throughput", "latency", "exacto"};
  for (unsigned i = 0; i < 4; i++) {
    char text[64];
    snprintf(text, sizeof text, "{\"sort\":\"%s\"}", sorts[i]);
    good(text);
    assert_int_equal(got.sort, SORT_PRICE + i);
    assert_false(got.across_models);
  }
}

static void test_limits(void **state) {
  (void)state;
  static const struct {
    const char *text;
    price_femto tokens, each;
  } rows[] = {
      {"0", 0, 0},
      {"0.0", 0, 0},
      {"0e999999", 0, 0},
      {"1", 1000000000, 1000000000000000},
      {"1.0E+0", 1000000000, 1000000000000000},
      {"0.000000001", 1, 1000000},
      {"0.0000000019", 1, 1900000},  // what lies below the smallest price is left out
      {"0.15000000000000002", 150000000, 150000000000000},
      {"1e-20", 0, 0},
      {"1e-999999", 0, 0},
      {"100e-2", 1000000000, 1000000000000000},
      {"9223372036", 9223372036000000000, INT64_MAX},
      {"9223372036.854775807", INT64_MAX, INT64_MAX},
      {"1e30", INT64_MAX, INT64_MAX},
      {"1e999999", INT64_MAX, INT64_MAX},
      {"123456789012345678901234567890", INT64_MAX, INT64_MAX},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    for (int string = 0; string < 2; string++) {
      char text[256];
      const char *quote = string ? "\"" : "";
      snprintf(text, sizeof text, "{\"max_price\":{\"prompt\":%s%s%s,\"image\":%s%s%s}}", quote, rows[i].text, quote,
               quote, rows[i].text, quote);
      good(text);
      if (got.max_prompt != rows[i].tokens || got.max_image != rows[i].each)
        fail_msg("%s: %lld %lld", rows[i].text, (long long)got.max_prompt, (long long)got.max_image);
    }
  }
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *provider, *param, *words;
  } rows[] = {
      {"{\"order\":\"openai\"}", "order", "an array of provider slugs"},
      {"{\"only\":[\"a\",7]}", "only", "as strings"},
      {"{\"ignore\":[null]}", "ignore", "as strings"},
      {"{\"ignore\":{\"a\":\"b\"}}", "ignore", "an array"},
      {"{\"order\":[\"\\ud800\"]}", "order", "Unicode"},
      {"{\"allow_fallbacks\":\"no\"}", "allow_fallbacks", "true or false"},
      {"{\"require_parameters\":1}", "require_parameters", "true or false"},
      {"{\"zdr\":[]}", "zdr", "true or false"},
      {"{\"data_collection\":\"none\"}", "data_collection", "\"allow\" or \"deny\""},
      {"{\"data_collection\":false}", "data_collection", "\"allow\" or \"deny\""},
      {"{\"enforce_distillable_text\":true}", "enforce_distillable_text",
       "licences of models are not in the catalogue"},
      {"{\"enforce_distillable_text\":0}", "enforce_distillable_text", "true or false"},
      {"{\"quantizations\":[\"fp9\"]}", "quantizations",
       "int4, int8, fp4, mxfp4, nvfp4, fp6, fp8, mxfp8, fp16, bf16, fp32, unknown."},
      {"{\"quantizations\":\"fp8\"}", "quantizations", "an array"},
      {"{\"quantizations\":[8]}", "quantizations", "an array"},
      {"{\"sort\":\"cheap\"}", "sort", "price, throughput, latency or exacto"},
      {"{\"sort\":[\"price\"]}", "sort", "an object"},
      {"{\"sort\":{\"by\":\"cheap\"}}", "sort.by", "price, throughput, latency or exacto"},
      {"{\"sort\":{\"by\":[]}}", "sort.by", "price"},
      {"{\"sort\":{\"by\":\"price\",\"partition\":\"all\"}}", "sort.partition", "\"model\" or \"none\""},
      {"{\"preferred_min_throughput\":\"50\"}", "preferred_min_throughput", "a number, or an object"},
      {"{\"preferred_min_throughput\":-1}", "preferred_min_throughput", "not negative"},
      {"{\"preferred_max_latency\":{\"p90\":\"1\"}}", "preferred_max_latency.p90", "a number"},
      {"{\"preferred_max_latency\":{\"p90\":-0.5}}", "preferred_max_latency.p90", "not negative"},
      {"{\"preferred_max_latency\":{\"p95\":1}}", "preferred_max_latency.p95", "may have p50, p75, p90 and p99."},
      {"{\"preferred_max_latency\":true}", "preferred_max_latency", "a number, or an object"},
      {"{\"preferred_min_throughput\":[]}", "preferred_min_throughput", "a number, or an object"},
      {"{\"options\":[]}", "options", "an object of objects"},
      {"{\"options\":\"x\"}", "options", "an object of objects"},
      {"{\"options\":true}", "options", "an object of objects"},
      {"{\"options\":{\"openai\":7}}", "options", "an object of objects"},
      {"{\"options\":{\"openai\":{},\"azure\":[{}]}}", "options", "an object of objects"},
      {"{\"allow_fallback\":false}", "allow_fallback", "may have order, only, ignore, allow_fallbacks"},
      {"{\"zdr\":true,\"\\u0061\\\"b\":[{\"c\":1}]}", "\\u0061\\\"b", "is not known"},
      {"{\"\":1}", "", "is not known"},
      {"{\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggghhhhhhhhhh\":1}",
       "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", "is not known"},
      {"{\"max_price\":1}", "max_price", "an object"},
      {"{\"max_price\":{\"prompt\":-1}}", "max_price.prompt", "not negative"},
      {"{\"max_price\":{\"prompt\":\"\"}}", "max_price.prompt", "a price in USD"},
      {"{\"max_price\":{\"prompt\":\".\"}}", "max_price.prompt", "a price in USD"},
      {"{\"max_price\":{\"prompt\":\"1e\"}}", "max_price.prompt", "a price in USD"},
      {"{\"max_price\":{\"prompt\":\"1e99999999999\"}}", "max_price.prompt", "a price in USD"},
      {"{\"max_price\":{\"prompt\":\"$1\"}}", "max_price.prompt", "a price in USD"},
      {"{\"max_price\":{\"completion\":[1]}}", "max_price.completion", "a price in USD"},
      {"{\"max_price\":{\"request\":true}}", "max_price.request", "a price in USD"},
      {"{\"max_price\":{\"audio\":\"1 2\"}}", "max_price.audio", "a price in USD"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (read_in(&arena, rows[i].provider)) fail_msg("%s is not refused", rows[i].provider);
    char param[128];
    snprintf(param, sizeof param, "provider.%s", rows[i].param);
    assert_int_equal(note.fault, FAULT_BAD_REQUEST);
    if (!str_eq(note.param, str_from_cstr(param)) || str_find(note.message, str_from_cstr(param), 0) == SIZE_MAX ||
        str_find(note.message, str_from_cstr(rows[i].words), 0) == SIZE_MAX)
      fail_msg("%s: %.*s: %.*s", rows[i].provider, STR_ARGS(note.param), STR_ARGS(note.message));
  }
}

static void test_the_last_of_two_counts(void **state) {
  (void)state;
  good("{\"zdr\":true,\"zdr\":false,\"sort\":\"price\",\"sort\":null}");
  assert_true(is_nothing(&got));
}

static void test_too_many_slugs(void **state) {
  (void)state;
  for (size_t n = 256; n <= 257; n++) {
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_lit(&text, "{\"only\":[");
    for (size_t i = 0; i < n; i++) buf_printf(&text, "%s\"p%zu\"", i ? "," : "", i);
    buf_append(&text, "]}", 3);
    assert_int_equal(read_in(&arena, text.ptr), n == 256);
    buf_free(&text);
  }
  assert_true(str_find(note.message, STR("at most 256"), 0) != SIZE_MAX);
}

static void test_no_memory(void **state) {
  (void)state;
  static const char *const rows[] = {"{\"order\":[\"a\",\"b\"],\"only\":[\"\\u0061\",\"\\u0062\",\"c\"]}",
                                     "{\"sort\":\"cheap\"}"};
  for (unsigned i = 0; i < 2; i++) {
    bool done = false;
    for (size_t max = 1; !done; max += 8) {
      struct arena small = {.max = max, .chunk_size = 16};
      done = read_in(&small, rows[i]) || note.fault == FAULT_BAD_REQUEST;
      if (!done) assert_int_equal(note.fault, FAULT_INTERNAL);
      if (done && !i) assert_int_equal(got.only.count, 3);
      arena_free(&small);
      assert_true(max < 10000);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nothing),
      cmocka_unit_test(test_everything),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_the_last_of_two_counts),
      cmocka_unit_test(test_too_many_slugs),
      cmocka_unit_test(test_no_memory),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  arena_free(&arena);
  return failed;
}
