// What models take, by the names that hosts give them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "llm/conversation.h"
#include "provider/claude.h"
#include "provider/efforts.h"
#include "provider/gemini_model.h"
#include "provider/openai_models.h"
#include "provider/table.h"

static const struct {
  const char *name, *takes;  // b budget, a adaptive, e effort, x xhigh, s sampling, o one of them, f forced, t while it
                             // thinks, j schema, i a system message inside
} claudes[] = {
    {"claude-3-5-sonnet-20241022", "bsf"},
    {"claude-3-opus-latest", "bsf"},
    {"claude-3-7-sonnet-20250219", "bsf"},
    {"claude-opus-4-20250514", "bsf"},
    {"claude-opus-4@20250514", "bsf"},
    {"claude-sonnet-4-0", "bsf"},
    {"claude-opus-4-1-20250805", "bsofj"},
    {"us.anthropic.claude-opus-4-1-20250805-v1:0", "bsofj"},
    {"claude-sonnet-4-5", "bsofj"},
    {"claude-sonnet-4-5@20250929", "bsofj"},
    {"global.anthropic.claude-haiku-4-5-20251001-v1:0", "bsofj"},
    {"claude-opus-4-5-20251101", "besofj"},
    {"claude-sonnet-4-6", "baesoftj"},
    {"claude-opus-4-6", "baesoftj"},
    {"claude-opus-4-7", "aexftj"},
    {"claude-opus-4-8@default", "aexftji"},
    {"claude-sonnet-5", "aexftji"},
    {"anthropic/claude-opus-5-20260601", "aexftji"},
    {"claude-fable-5", "aextji"},
    {"claude-mythos-preview", "aextji"},
    {"claude-something-new", "aexftji"},
    {"deepseek-chat", "bsft"},  // another model behind this protocol
};

static void test_claudes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof claudes / sizeof *claudes; i++) {
    struct claude c = claude_model(str_from_cstr(claudes[i].name));
    char got[16], *p = got;
    if (c.budget) *p++ = 'b';
    if (c.adaptive) *p++ = 'a';
    if (c.effort) *p++ = 'e';
    if (c.xhigh) *p++ = 'x';
    if (c.sampling) *p++ = 's';
    if (c.one_sampling) *p++ = 'o';
    if (c.forced) *p++ = 'f';
    if (c.forced_thinking) *p++ = 't';
    if (c.schema) *p++ = 'j';
    if (c.system_inside) *p++ = 'i';
    *p = 0;
    if (strcmp(got, claudes[i].takes) != 0) fail_msg("%s: %s, expected %s", claudes[i].name, got, claudes[i].takes);
  }
}

static void test_openais(void **state) {
  (void)state;
  static const struct {
    const char *name, *effort;
    bool reasons, only_responses;
  } rows[] = {{"gpt-4o", "", false, false},
              {"gpt-4o", "low", false, false},
              {"gpt-5", "", true, false},
              {"gpt-5-mini", "low", true, false},
              {"gpt-5-chat-latest", "", false, false},
              {"gpt-5.1", "", false, false},
              {"gpt-5.1", "none", false, false},
              {"gpt-5.1", "low", true, false},
              {"gpt-5.1-codex", "", true, true},
              {"gpt-5.2-pro", "", true, true},
              {"gpt-5.5", "", true, false},
              {"gpt-5.5", "none", false, false},
              {"gpt-5.6-sol", "", true, false},
              {"openai.gpt-5.6-luna", "", true, false},
              {"openai/o3-mini", "", true, false},
              {"o1-pro", "", true, true},
              {"gpt-5.2-proo", "", true, false},
              {"o4-mini-deep-research", "", true, true},
              {"gemini-2.5-pro", "", false, false},
              {"gpt5mini-prod", "", false, false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct str name = str_from_cstr(rows[i].name);
    if (openai_model_reasons(name, str_from_cstr(rows[i].effort)) != rows[i].reasons ||
        openai_model_only_responses(name) != rows[i].only_responses)
      fail_msg("%s with effort \"%s\"", rows[i].name, rows[i].effort);
  }
}

static void test_openais_that_never_reason(void **state) {
  (void)state;
  static const char *const never[] = {"gpt-4o", "openai/gpt-4.1-mini", "gpt-5-chat-latest", "ft:gpt-3.5-turbo:us:x"};
  static const char *const may[] = {"gpt-5.1", "o3", "our-deployment", "openai.gpt-5.4"};
  for (size_t i = 0; i < 4; i++) assert_true(openai_model_never_reasons(str_from_cstr(never[i])));
  for (size_t i = 0; i < 4; i++) assert_false(openai_model_never_reasons(str_from_cstr(may[i])));
}

// Levels of reasoning: the one wished for, and the one the model takes ("-": none is told).
static void test_efforts(void **state) {
  (void)state;
  static const struct {
    const char *vendor, *model, *wished, *told;
  } rows[] = {{"openai", "gpt-5.1", "minimal", "low"},
              {"openai", "gpt-5.1", "none", "none"},
              {"openai", "gpt-5-mini", "none", "minimal"},
              {"openai", "gpt-5-mini", "xhigh", "high"},
              {"openai", "gpt-5.6-sol", "max", "max"},
              {"openai", "gpt-5-chat-latest", "low", "-"},
              {"openai", "gpt-5.2-chat-latest", "low", "-"},
              {"openai", "ft:gpt-4o-mini:us:x", "high", "-"},
              {"openai", "o3", "max", "high"},
              {"groq", "openai/gpt-oss-20b", "max", "high"},
              {"groq", "llama-3.3-70b", "low", "-"},
              {"xai", "grok-3-mini-fast", "medium", "low"},
              {"xai", "grok-4.6", "max", "xhigh"},
              {"xai", "grok-4.3", "none", "none"},
              {"xai", "grok-4-1-fast", "low", "-"},
              {"deepseek", "deepseek-v4-flash", "minimal", "low"},
              {"z-ai", "glm-5.3", "medium", "low"},
              {"z-ai", "glm-4.7", "high", "-"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct provider_row *row = provider_row_find(str_from_cstr(rows[i].vendor));
    struct provider provider = {.id = str_from_cstr(row->id), .quirks = &row->quirks};
    struct endpoint e = {.provider = &provider, .upstream_model = str_from_cstr(rows[i].model)};
    struct efforts can = efforts_of(&e);
    assert_true(can.known);
    const char *got = effort_word(efforts_nearest(can.set, effort_of_word(str_from_cstr(rows[i].wished))));
    if (strcmp(*got ? got : "-", rows[i].told) != 0)
      fail_msg("%s %s: %s became %s", rows[i].vendor, rows[i].model, rows[i].wished, got);
  }
}

static const struct {
  const char *name, *takes;  // b budget, l level, m minimal, p cannot be kept from thinking, j JSON Schema, x mixes
                             // tools, s system text, a only audio, i must be asked for pictures
  unsigned min, max;
} geminis[] = {
    {"gemini-1.5-flash-8b", "s", 0, 24576},
    {"gemini-pro", "ps", 128, 32768},
    {"gemini-2.0-flash-001", "s", 0, 24576},
    {"gemini-2.0-flash-preview-image-generation", "si", 0, 24576},
    {"models/gemini-2.5-flash", "bjs", 0, 24576},
    {"gemini-2.5-flash-lite-preview-09-2025", "bjs", 512, 24576},
    {"publishers/google/models/gemini-2.5-pro", "bpjs", 128, 32768},
    {"gemini-2.5-flash-image", "js", 0, 24576},
    {"gemini-2.5-pro-preview-tts", "pjsa", 128, 32768},
    {"gemini-robotics-er-1.5-preview", "bjs", 0, 24576},
    {"gemini-3-flash-preview", "lmjxs", 0, 24576},
    {"gemini-3-pro-preview", "lpjxs", 128, 32768},
    {"gemini-3.1-pro-preview", "lpjxs", 128, 32768},
    {"gemini-3-pro-image-preview", "pjxs", 128, 32768},
    {"gemini-3.7-flash", "ljxs", 0, 24576},
    {"gemini-flash-latest", "ljxs", 0, 24576},
    {"endpoints/1234567890", "ljxs", 0, 24576},
    {"gemma-3-27b-it", "", 0, 24576},
};

static void test_geminis(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof geminis / sizeof *geminis; i++) {
    struct gemini_model m = gemini_model(str_from_cstr(geminis[i].name));
    char got[16], *p = got;
    if (m.thinking == GEMINI_THINKS_BUDGET) *p++ = 'b';
    if (m.thinking == GEMINI_THINKS_LEVEL) *p++ = 'l';
    if (m.thinking == GEMINI_THINKS_LEVEL && m.minimal) *p++ = 'm';
    if (m.pro) *p++ = 'p';
    if (m.json_schema) *p++ = 'j';
    if (m.mixes) *p++ = 'x';
    if (m.system) *p++ = 's';
    if (m.only_audio) *p++ = 'a';
    if (m.needs_image) *p++ = 'i';
    *p = 0;
    if (strcmp(got, geminis[i].takes) != 0) fail_msg("%s: %s, expected %s", geminis[i].name, got, geminis[i].takes);
    assert_int_equal(m.budget_min, geminis[i].min);
    assert_int_equal(m.budget_max, geminis[i].max);
  }
}

static void test_budgets(void **state) {
  (void)state;
  assert_int_equal(effort_budget(EFFORT_UNSET, 10000), 0);
  assert_int_equal(effort_budget(EFFORT_NONE, 10000), 0);
  assert_int_equal(effort_budget(EFFORT_MINIMAL, 100), 1024);
  assert_int_equal(effort_budget(EFFORT_LOW, 10050), 2010);
  assert_int_equal(effort_budget(EFFORT_HIGH, 64000), 51200);
  assert_int_equal(effort_budget(EFFORT_MAX, UINT64_MAX), 128000);
  for (int e = EFFORT_MINIMAL; e <= EFFORT_XHIGH; e++)
    assert_int_equal(effort_of_budget(effort_budget((enum effort)e, 100000), 100000), e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_claudes), cmocka_unit_test(test_openais), cmocka_unit_test(test_openais_that_never_reason),
      cmocka_unit_test(test_geminis), cmocka_unit_test(test_efforts), cmocka_unit_test(test_budgets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
