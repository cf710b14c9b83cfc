// Names of models: every form of the grammar, and what nobody should send.
#include "policy/model_name.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>
#include <stdlib.h>

#define S(literal) \
  { "" literal, sizeof(literal) - 1 }

static const struct str text_out[] = {S("text")}, picture_out[] = {S("image")};
// Sorted by id.
static const struct model models[] = {
    {.id = S("acme/large"), .created = 5},
    {.id = S("acme/large:extended"), .created = 5},
    {.id = S("acme/large:free"), .created = 5},
    {.id = S("acme/thinker:thinking"), .created = 5},
    {.id = S("anthropic/claude-opus-4.8"), .created = 30},
    {.id = S("anthropic/claude-opus-4.8-fast"), .created = 31},
    {.id = S("anthropic/claude-sonnet-4.5"),
     .canonical_slug = S("anthropic/claude-4.5-sonnet-20250929"),
     .created = 10},
    {.id = S("anthropic/claude-sonnet-5"), .created = 20},
    {.id = S("google/gemini-2.5-pro"), .created = 10},
    {.id = S("google/gemini-3.1-pro-preview"), .created = 20},
    {.id = S("google/gemini-4-pro-image"), .output_modalities = {picture_out, 1}, .created = 30},
    {.id = S("llama3:8b")},
    {.id = S("lone")},
    {.id = S("openai/gpt-4o"), .canonical_slug = S("openai/gpt-4o-2024-08-06"), .created = 1},
    {.id = S("openai/gpt-5.5"), .output_modalities = {text_out, 1}, .created = 9},
    {.id = S("openai/gpt-5.5-codex"), .created = 12},
    {.id = S("openai/gpt-5.5-mini"), .created = 11},
    {.id = S("openai/gpt-5.5-mini-2026-01-01"), .created = 12},
    {.id = S("openai/gpt-5.5:free"), .created = 13},
    {.id = S("zed/Big-9")},
    {.id = S("zed/big-10")},
};
static const struct catalogue all = {.models = models, .model_count = COUNT(models)};

static void test_ids_and_variants(void **state) {
  (void)state;
  static const struct {
    const char *text, *model;
    unsigned variants;
    enum model_kind kind;
  } cases[] = {
      {"openai/gpt-4o", "openai/gpt-4o", 0, MODEL_PLAIN},
      {"OpenAI/GPT-4o", "openai/gpt-4o", 0, MODEL_PLAIN},
      {"openai/gpt-4o-2024-08-06", "openai/gpt-4o", 0, MODEL_PLAIN},
      {"anthropic/claude-4.5-sonnet", "anthropic/claude-sonnet-4.5", 0, MODEL_PLAIN},
      {"Anthropic/Claude-4.5-Sonnet-20250929:Nitro", "anthropic/claude-sonnet-4.5", VARIANT_NITRO, MODEL_PLAIN},
      {"ZED/BIG-9", "zed/Big-9", 0, MODEL_PLAIN},
      {"llama3:8b", "llama3:8b", 0, MODEL_PLAIN},
      {"llama3:8b:online", "llama3:8b", VARIANT_ONLINE, MODEL_PLAIN},
      {"lone", "lone", 0, MODEL_PLAIN},
      {"openai/gpt-4o:nitro", "openai/gpt-4o", VARIANT_NITRO, MODEL_PLAIN},
      {"openai/gpt-4o:floor", "openai/gpt-4o", VARIANT_FLOOR, MODEL_PLAIN},
      {"openai/gpt-4o:free", "openai/gpt-4o", VARIANT_FREE, MODEL_PLAIN},
      {"openai/gpt-4o:thinking", "openai/gpt-4o", VARIANT_THINKING, MODEL_PLAIN},
      {"openai/gpt-4o:exacto", "openai/gpt-4o", VARIANT_EXACTO, MODEL_PLAIN},
      {"openai/gpt-4o:online", "openai/gpt-4o", VARIANT_ONLINE, MODEL_PLAIN},
      {"openai/gpt-4o:FREE:Online", "openai/gpt-4o", VARIANT_FREE | VARIANT_ONLINE, MODEL_PLAIN},
      {"openai/gpt-4o:online:online:online", "openai/gpt-4o", VARIANT_ONLINE, MODEL_PLAIN},
      {"openai/gpt-4o:nitro:floor", "openai/gpt-4o", VARIANT_FLOOR, MODEL_PLAIN},
      {"openai/gpt-4o:floor:free:nitro", "openai/gpt-4o", VARIANT_FREE | VARIANT_NITRO, MODEL_PLAIN},
      {"openai/gpt-4o:nitro:exacto", "openai/gpt-4o", VARIANT_EXACTO, MODEL_PLAIN},
      {"acme/large:free", "acme/large:free", 0, MODEL_PLAIN},
      {"acme/large:free:online", "acme/large:free", VARIANT_ONLINE, MODEL_PLAIN},
      {"acme/large:online:free", "acme/large:free", VARIANT_ONLINE, MODEL_PLAIN},
      {"acme/large:free:free", "acme/large:free", VARIANT_FREE, MODEL_PLAIN},
      {"acme/large:extended:nitro", "acme/large:extended", VARIANT_NITRO, MODEL_PLAIN},
      {"acme/large:nitro:extended", "acme/large:extended", VARIANT_NITRO, MODEL_PLAIN},
      {"acme/thinker:thinking", "acme/thinker:thinking", 0, MODEL_PLAIN},
      {"~openai/gpt-latest", "openai/gpt-5.5", 0, MODEL_ALIAS},
      {"~OpenAI/GPT-Latest:nitro", "openai/gpt-5.5", VARIANT_NITRO, MODEL_ALIAS},
      {"~openai/gpt-latest:free", "openai/gpt-5.5:free", 0, MODEL_ALIAS},
      {"~openai/gpt-mini-latest", "openai/gpt-5.5-mini-2026-01-01", 0, MODEL_ALIAS},
      {"~openai/mini.gpt-latest", "openai/gpt-5.5-mini-2026-01-01", 0, MODEL_ALIAS},
      {"~openai/gpt-codex-latest", "openai/gpt-5.5-codex", 0, MODEL_ALIAS},
      {"~anthropic/claude-sonnet-latest", "anthropic/claude-sonnet-5", 0, MODEL_ALIAS},
      {"~anthropic/claude-opus-latest", "anthropic/claude-opus-4.8", 0, MODEL_ALIAS},
      {"~google/gemini-pro-latest", "google/gemini-3.1-pro-preview", 0, MODEL_ALIAS},
      {"~zed/big-latest", "zed/big-10", 0, MODEL_ALIAS},
      {"openrouter/auto", NULL, 0, MODEL_AUTO},
      {"signalbox/auto", NULL, 0, MODEL_AUTO},
      {"openrouter/auto-beta", NULL, 0, MODEL_AUTO},
      {"OpenRouter/Auto:online", NULL, VARIANT_ONLINE, MODEL_AUTO},
      {"openrouter/free", NULL, 0, MODEL_FREE},
      {"signalbox/free", NULL, 0, MODEL_FREE},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct arena arena = {0};
    struct model_name name;
    struct fault_note note = {0};
    bool good = model_name_resolve(&all, str_from_cstr(cases[i].text), &arena, &name, &note);
    if (!good) print_error("%s: %.*s\n", cases[i].text, STR_ARGS(note.message));
    assert_true(good);
    struct str id = name.model ? name.model->id : (struct str){0};
    if (!str_eq(id, str_from_cstr(cases[i].model))) print_error("%s: %.*s\n", cases[i].text, STR_ARGS(id));
    assert_true(str_eq(id, str_from_cstr(cases[i].model)));
    assert_int_equal(name.variants, cases[i].variants);
    assert_int_equal(name.kind, cases[i].kind);
    assert_true(str_eq(name.text, str_from_cstr(cases[i].text)));
    arena_free(&arena);
  }
}

static void test_what_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
    enum fault fault;
  } cases[] = {
      {"openai/gpt-4p", "Did you mean openai/gpt-4o?", FAULT_UNKNOWN_MODEL},
      {"openai/gpt-4p:nitro", "Did you mean openai/gpt-4o?", FAULT_UNKNOWN_MODEL},
      {"gpt-4o", "Did you mean openai/gpt-4o?", FAULT_UNKNOWN_MODEL},
      {"openai/gpt-4o:fast", "no variant :fast. The variants are :nitro, :floor", FAULT_BAD_REQUEST},
      {"openai/gpt-4o:fast:nitro", "no variant :fast.", FAULT_BAD_REQUEST},
      {"openai/gpt-4o:nitro:fast", "no variant :fast.", FAULT_BAD_REQUEST},
      {"openai/gpt-4o:", "no variant :.", FAULT_BAD_REQUEST},
      {"openai/gpt-4o::nitro", "no variant :.", FAULT_BAD_REQUEST},
      {"openai/gpt-4o:batch", "batches are not in this version", FAULT_BAD_REQUEST},
      {"openai/gpt-4o:extended", "no entry openai/gpt-4o:extended", FAULT_BAD_REQUEST},
      {"openrouter/auto:extended", "no entry openrouter/auto:extended", FAULT_BAD_REQUEST},
      {"openrouter/auto:quick", "no variant :quick", FAULT_BAD_REQUEST},
      {"nobody:9b", "nobody:9b is not a valid model ID", FAULT_UNKNOWN_MODEL},
      {"openrouter/pareto-code", "The router openrouter/pareto-code is not in this version", FAULT_BAD_REQUEST},
      {"openrouter/fusion:nitro", "The router openrouter/fusion is not", FAULT_BAD_REQUEST},
      {"nvidia/switchyard", "The router nvidia/switchyard is not", FAULT_BAD_REQUEST},
      {"~openai/gpt", "~author/family-latest", FAULT_UNKNOWN_MODEL},
      {"~openai/-latest", "", FAULT_UNKNOWN_MODEL},
      {"~openai/--latest", "", FAULT_UNKNOWN_MODEL},
      {"~/gpt-latest", "~author/family-latest", FAULT_UNKNOWN_MODEL},
      {"~", "~author/family-latest", FAULT_UNKNOWN_MODEL},
      {"~openai/claude-latest", "openai has none whose name has all words of \"claude\"", FAULT_UNKNOWN_MODEL},
      {"~open/gpt-latest", "stands for no model here", FAULT_UNKNOWN_MODEL},
      {":nitro", "not a valid model ID", FAULT_UNKNOWN_MODEL},
      {"", "not a valid model ID", FAULT_UNKNOWN_MODEL},
      {":", "not a valid model ID", FAULT_UNKNOWN_MODEL},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct arena arena = {0};
    struct model_name name;
    struct fault_note note = {0};
    assert_false(model_name_resolve(&all, str_from_cstr(cases[i].text), &arena, &name, &note));
    if (note.fault != cases[i].fault || str_find(note.message, str_from_cstr(cases[i].says), 0) == SIZE_MAX)
      print_error("%s: %.*s\n", cases[i].text, STR_ARGS(note.message));
    assert_int_equal(note.fault, cases[i].fault);
    assert_true(str_find(note.message, str_from_cstr(cases[i].says), 0) != SIZE_MAX);
    assert_true(str_eq(note.param, STR("model")));
    arena_free(&arena);
  }
}

static void test_an_id_wins_over_a_router(void **state) {
  (void)state;
  static const struct model one[] = {{.id = S("openrouter/auto")}};
  struct catalogue c = {.models = one, .model_count = 1};
  struct arena arena = {0};
  struct model_name name;
  struct fault_note note = {0};
  assert_true(model_name_resolve(&c, STR("openrouter/auto:nitro"), &arena, &name, &note));
  assert_ptr_equal(name.model, &one[0]);
  assert_int_equal(name.kind, MODEL_PLAIN);
}

static void test_presets_are_split_off(void **state) {
  (void)state;
  static const struct {
    const char *text, *base, *preset, *suffix;
  } cases[] = {
      {"openai/gpt-4o", "openai/gpt-4o", "", ""},
      {"@preset/mail", "", "mail", ""},
      {"@Preset/mail:nitro", "", "mail", ":nitro"},
      {"@preset/mail:free:nitro", "", "mail", ":free:nitro"},
      {"openai/gpt-4o:nitro@preset/mail", "openai/gpt-4o:nitro", "mail", ""},
      {"openai/gpt-4o@preset/mail:floor", "openai/gpt-4o", "mail", ":floor"},
      {"openai/gpt-4o:free@preset/mail:", "openai/gpt-4o:free", "mail", ":"},
      {"a@b@preset/c", "a@b", "c", ""},
      {"@preset/", "@preset/", "", ""},
      {"a@preset/:nitro", "a@preset/:nitro", "", ""},
      {"a@preset", "a@preset", "", ""},
      {"", "", "", ""},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct model_reference r = model_name_split(str_from_cstr(cases[i].text));
    assert_true(str_eq(r.base, str_from_cstr(cases[i].base)));
    assert_true(str_eq(r.preset, str_from_cstr(cases[i].preset)));
    assert_true(str_eq(r.suffix, str_from_cstr(cases[i].suffix)));
  }
}

// Names put together of pieces and of random bytes, each in memory of its own length: nothing is read beyond it, and
// every refusal says something.
static void test_random_names(void **state) {
  (void)state;
  static const char *const pieces[] = {"openai/",   "gpt-4o",          ":free",     ":nitro",     ":",   "~", "-latest",
                                       "/",         "@preset/",        "llama3:8b", "acme/large", "-",   ".", "_",
                                       ":extended", "openrouter/auto", "9",         "\xff",       "\xc3"};
  uint64_t seed = 88172645463325252u;
  struct arena arena = {0};
  for (int round = 0; round < 20000; round++) {
    char text[400];
    size_t len = 0;
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    uint64_t r = seed;
    for (unsigned n = r % 9; n > 0; n--, r = r * 6364136223846793005u + 1442695040888963407u) {
      const char *piece = pieces[(r >> 33) % COUNT(pieces)];
      if (r >> 60) {
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
      } else {
        text[len++] = (char)(r >> 24);
      }
    }
    if (round % 100 == 0) {
      memset(text, round % 3 ? 'a' : ':', sizeof text);
      len = sizeof text;
    }
    char *exact = malloc(len + 1);
    memcpy(exact, text, len);
    exact = realloc(exact, len ? len : 1);
    struct model_name name;
    struct fault_note note = {0};
    struct model_reference parts = model_name_split(str_from(exact, len));
    assert_int_equal(parts.base.len + parts.preset.len + parts.suffix.len + (parts.preset.len ? 8 : 0), len);
    if (model_name_resolve(&all, str_from(exact, len), &arena, &name, &note)) {
      assert_true((name.model != NULL) == (name.kind == MODEL_PLAIN || name.kind == MODEL_ALIAS));
    } else {
      assert_int_not_equal(note.fault, FAULT_NONE);
      assert_true(note.message.len > 10);
    }
    free(exact);
    arena_free(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ids_and_variants),
      cmocka_unit_test(test_what_is_refused),
      cmocka_unit_test(test_an_id_wins_over_a_router),
      cmocka_unit_test(test_presets_are_split_off),
      cmocka_unit_test(test_random_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
