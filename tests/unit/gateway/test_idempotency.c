// Outcomes by Idempotency-Key: run once, replayed, refused while it runs, and within their bytes.
#include "gateway/idempotency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

static const uint64_t day_ms = 24 * 3600 * 1000ull;

static enum idempotency_result begin(struct idempotency *s, unsigned name, unsigned body, uint64_t now,
                                     struct idempotency_entry **entry) {
  uint8_t a[CACHE_KEY_SIZE] = {0}, b[CACHE_KEY_SIZE] = {0};
  memcpy(a, &name, sizeof name);
  memcpy(b, &body, sizeof body);
  return idempotency_begin(s, a, b, now, entry);
}

static struct idempotency_outcome outcome(const char *body) {
  return (struct idempotency_outcome){
      .status = 200, .stream = true, .generation_id = "gen-1", .fields = STR("A: b\r\n"), .body = str_from_cstr(body)};
}

static void test_once(void **state) {
  (void)state;
  struct idempotency *s = idempotency_new();
  struct idempotency_entry *first, *again;
  assert_int_equal(begin(s, 1, 1, 0, &first), IDEMPOTENCY_RUN);
  assert_int_equal(begin(s, 1, 1, 0, &again), IDEMPOTENCY_BUSY);
  assert_int_equal(begin(s, 1, 2, 0, &again), IDEMPOTENCY_OTHER);
  assert_null(again);
  struct idempotency_outcome o = outcome("said");
  idempotency_keep(s, first, &o, 1 << 20, 5);
  assert_int_equal(begin(s, 1, 2, 5, &again), IDEMPOTENCY_OTHER);
  assert_int_equal(begin(s, 1, 1, day_ms + 4, &again), IDEMPOTENCY_REPLAY);
  const struct idempotency_outcome *kept = idempotency_outcome(again);
  assert_int_equal(kept->status, 200);
  assert_true(kept->stream);
  assert_string_equal(kept->generation_id, "gen-1");
  assert_true(str_eq(kept->body, STR("said")));
  assert_true(str_eq(kept->fields, STR("A: b\r\n")));
  struct idempotency_entry *late;
  assert_int_equal(begin(s, 1, 1, day_ms + 5, &late), IDEMPOTENCY_RUN);  // a day is over
  assert_true(str_eq(idempotency_outcome(again)->body, STR("said")));    // but held
  idempotency_release(again);
  idempotency_forget(s, late);
  assert_int_equal(begin(s, 1, 3, day_ms + 5, &first), IDEMPOTENCY_RUN);  // a failure leaves nothing
  idempotency_forget(s, first);
  assert_int_equal(begin(NULL, 1, 3, 0, &first), IDEMPOTENCY_LOST);
  idempotency_free(s);
}

static void test_bounds(void **state) {
  (void)state;
  struct idempotency *s = idempotency_new();
  struct idempotency_entry *entry;
  static char big[10001];
  memset(big, 'x', sizeof big - 1);
  struct idempotency_outcome o = outcome(big);
  for (unsigned i = 0; i < 100; i++) {
    assert_int_equal(begin(s, i, 1, 0, &entry), IDEMPOTENCY_RUN);
    idempotency_keep(s, entry, &o, 55000, 0);
  }
  unsigned kept = 0;
  for (unsigned i = 0; i < 100; i++) {
    enum idempotency_result result = begin(s, i, 1, 0, &entry);
    if (result == IDEMPOTENCY_REPLAY) {
      kept++;
      assert_true(i >= 95);
      idempotency_release(entry);
    } else {
      idempotency_forget(s, entry);
    }
  }
  assert_int_equal(kept, 5);
  assert_int_equal(begin(s, 1000, 1, 0, &entry), IDEMPOTENCY_RUN);
  idempotency_keep(s, entry, &o, 9999, 0);  // too large
  assert_int_equal(begin(s, 1000, 1, 0, &entry), IDEMPOTENCY_RUN);
  idempotency_forget(s, entry);
  idempotency_free(s);
}

static void test_keys(void **state) {
  (void)state;
  char longest[IDEMPOTENCY_KEY_MAX + 1];
  memset(longest, 'k', sizeof longest);
  assert_true(idempotency_key_valid(STR("k")));
  assert_true(idempotency_key_valid(STR("\"9b2c-~!\"")));
  assert_true(idempotency_key_valid(str_from(longest, IDEMPOTENCY_KEY_MAX)));
  assert_false(idempotency_key_valid(str_from(longest, IDEMPOTENCY_KEY_MAX + 1)));
  assert_false(idempotency_key_valid(STR("")));
  assert_false(idempotency_key_valid(STR("a b")));
  assert_false(idempotency_key_valid(STR("a\tb")));
  assert_false(idempotency_key_valid(STR("\xC3\xA9")));
  static const unsigned again[] = {401, 402, 403, 408, 409, 429, 499, 500, 502, 503, 504};
  for (size_t i = 0; i < sizeof again / sizeof *again; i++) assert_false(idempotency_keeps(again[i]));
  static const unsigned kept[] = {200, 400, 404, 413, 422};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) assert_true(idempotency_keeps(kept[i]));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_bounds),
                                     cmocka_unit_test(test_keys)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
