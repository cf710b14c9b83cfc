// The hasher against OpenSSL's own HMAC, and against a vector computed elsewhere.
#include "store/keyhash.h"

#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_agrees_with_openssl(void **state) {
  (void)state;
  static const size_t lengths[] = {0, 1, 31, 52, 55, 56, 63, 64, 65, 119, 120, 1000};
  uint8_t pepper[32];
  char text[1000];
  for (int i = 0; i < 32; i++) pepper[i] = (uint8_t)(i * 37 + 1);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 11);
  struct key_hasher *h = key_hasher_new(pepper);
  assert_non_null(h);
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    uint8_t ours[32], theirs[32];
    unsigned n = 0;
    key_hasher_hash(h, str_from(text, lengths[i]), ours);
    HMAC(EVP_sha256(), pepper, 32, (const uint8_t *)text, lengths[i], theirs, &n);
    assert_memory_equal(ours, theirs, 32);
  }
  key_hasher_free(h);
}

static void test_vector(void **state) {
  (void)state;
  static const uint8_t pepper[32] = {0};
  static const uint8_t expected[32] = {0xb6, 0x13, 0x67, 0x9a, 0x08, 0x14, 0xd9, 0xec, 0x77, 0x2f, 0x95,
                                       0xd7, 0x78, 0xc3, 0x5f, 0xc5, 0xff, 0x16, 0x97, 0xc4, 0x93, 0x71,
                                       0x56, 0x53, 0xc6, 0xc7, 0x12, 0x14, 0x42, 0x92, 0xc5, 0xad};
  uint8_t hash[32];
  struct key_hasher *h = key_hasher_new(pepper);
  assert_non_null(h);
  for (int i = 0; i < 3; i++) {  // no call leaves anything behind for the next
    key_hasher_hash(h, STR(""), hash);
    assert_memory_equal(hash, expected, 32);
  }
  key_hasher_free(h);
  key_hasher_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_agrees_with_openssl),
      cmocka_unit_test(test_vector),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
