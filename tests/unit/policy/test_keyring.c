// Look-up of keys and what each may do.
#include "policy/keyring.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

static void test_every_key_is_found_and_no_other(void **state) {
  (void)state;
  enum { N = 1000 };
  static struct key keys[N];
  static char names[N][16];
  for (int i = 0; i < N; i++) {
    snprintf(names[i], sizeof names[i], "k%d", i);
    keys[i].id = keys[i].name = str_from_cstr(names[i]);
    // Many hashes that begin alike: the table must probe.
    keys[i].hash[0] = (uint8_t)(i % 4);
    keys[i].hash[20] = (uint8_t)(i / 4 % 256);
    keys[i].hash[31] = (uint8_t)(i / 1024 + 1);
  }
  for (int i = 0; i < N; i++) keys[i].hash[30] = (uint8_t)(i / 4 / 256);
  struct keyring *ring = keyring_new(keys, N);
  assert_non_null(ring);
  assert_int_equal(keyring_count(ring), N);
  for (int i = 0; i < N; i++) {
    const struct key *found = keyring_find(ring, keys[i].hash);
    assert_non_null(found);
    assert_true(str_eq(found->id, str_from_cstr(names[i])));
    uint8_t other[32];
    memcpy(other, keys[i].hash, 32);
    other[25] ^= 1;
    assert_null(keyring_find(ring, other));
  }
  keyring_drop(keyring_hold(ring));
  keyring_drop(ring);
}

static void test_empty_ring(void **state) {
  (void)state;
  struct keyring *ring = keyring_new(NULL, 0);
  uint8_t hash[32] = {0};
  assert_null(keyring_find(ring, hash));
  keyring_drop(ring);
}

static void test_check(void **state) {
  (void)state;
  struct key_spend spent = {1000};
  static const struct {
    struct key key;
    enum key_use use;
    enum fault want;
  } cases[] = {
      {{.expires = 0}, KEY_FOR_INFERENCE, FAULT_NONE},
      {{.expires = 0}, KEY_FOR_ACCOUNT, FAULT_NONE},
      {{.expires = 0}, KEY_FOR_MANAGEMENT, FAULT_FORBIDDEN},
      {{.management = true}, KEY_FOR_MANAGEMENT, FAULT_NONE},
      {{.management = true}, KEY_FOR_ACCOUNT, FAULT_NONE},
      {{.management = true}, KEY_FOR_INFERENCE, FAULT_FORBIDDEN},
      {{.disabled = true}, KEY_FOR_INFERENCE, FAULT_UNAUTHENTICATED},
      {{.disabled = true, .management = true}, KEY_FOR_MANAGEMENT, FAULT_UNAUTHENTICATED},
      {{.expires = 100}, KEY_FOR_INFERENCE, FAULT_UNAUTHENTICATED},
      {{.expires = 101}, KEY_FOR_INFERENCE, FAULT_NONE},
      {{.has_limit = true, .limit = 1001}, KEY_FOR_INFERENCE, FAULT_NONE},
      {{.has_limit = true, .limit = 1000}, KEY_FOR_INFERENCE, FAULT_PAYMENT},
      {{.has_limit = true, .limit = 1000}, KEY_FOR_ACCOUNT, FAULT_NONE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct key key = cases[i].key;
    key.spend = &spent;
    struct str why = {0};
    enum fault fault = key_check(&key, cases[i].use, 100, &why);
    if (fault != cases[i].want || (fault != FAULT_NONE) != (why.len != 0)) fail_msg("case %zu: fault %d", i, fault);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_key_is_found_and_no_other),
      cmocka_unit_test(test_empty_ring),
      cmocka_unit_test(test_check),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
