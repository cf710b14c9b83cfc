// The table of failures is complete and keeps OpenRouter's vocabulary and statuses.
#include "llm/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants the four above first.
#include <cmocka.h>

// error_type and the status it stands for; a gateway status without a word of its own is listed with "server" and so
// on.
static const struct {
  const char *type;
  unsigned status;
} vocabulary[] = {
    {"context_length_exceeded", 400},
    {"authentication", 401},
    {"payment_required", 402},
    {"permission_denied", 403},
    {"rate_limit_exceeded", 429},
    {"provider_overloaded", 503},
    {"provider_unavailable", 502},
    {"timeout", 504},
    {"timeout", 408},
    {"invalid_request", 400},
    {"invalid_request", 405},
    {"invalid_request", 415},
    {"invalid_request", 409},
    {"content_policy_violation", 400},
    {"not_found", 404},
    {"payload_too_large", 413},
    {"payload_too_large", 431},
    {"invalid_request", 417},
    {"invalid_request", 505},
    {"unprocessable", 422},
    {"server", 500},
    {"server", 501},
    {"server", 503},
    {"unmapped", 499},
};

static bool in_vocabulary(const struct fault_row *row) {
  for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++) {
    if (!strcmp(vocabulary[i].type, row->error_type) && vocabulary[i].status == row->status) return true;
  }
  return false;
}

static void test_rows_are_complete(void **state) {
  (void)state;
  for (int fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
    const struct fault_row *row = fault_row((enum fault)fault);
    if (!in_vocabulary(row)) fail_msg("%s: %s with %u", row->name, row->error_type, row->status);
    if (!*row->message) fail_msg("%s has no message", row->name);
    for (int other = FAULT_NONE; other < fault; other++) {
      if (!strcmp(row->name, fault_row((enum fault)other)->name)) fail_msg("%s twice", row->name);
    }
  }
}

static void test_what_others_rely_on(void **state) {
  (void)state;
  assert_int_equal(fault_row(FAULT_CLIENT_GONE)->status, 499);
  assert_int_equal(fault_row(FAULT_UNKNOWN_MODEL)->status, 400);
  assert_int_equal(fault_row(FAULT_UPSTREAM_AUTH)->status, 502);
  assert_int_equal(fault_row(FAULT_UPSTREAM_RATE)->status, 429);
  assert_int_equal(fault_row(FAULT_UPSTREAM_OVERLOAD)->status, 503);
  assert_false(fault_row(FAULT_BAD_REQUEST)->fallback);
  assert_false(fault_row(FAULT_CLIENT_GONE)->fallback);
  assert_true(fault_row(FAULT_CONTEXT)->fallback);
  for (int fault = FAULT_UPSTREAM_AUTH; fault <= FAULT_TIMEOUT; fault++)
    assert_true(fault_row((enum fault)fault)->fallback);
}

static const struct {
  unsigned status;
  enum fault expected;
} statuses[] = {
    {200, FAULT_NONE},
    {206, FAULT_NONE},
    {100, FAULT_UPSTREAM_INVALID},
    {302, FAULT_UPSTREAM_INVALID},
    {400, FAULT_BAD_REQUEST},
    {401, FAULT_UPSTREAM_AUTH},
    {402, FAULT_UPSTREAM_BILLING},
    {403, FAULT_UPSTREAM_AUTH},
    {404, FAULT_UPSTREAM_MODEL},
    {405, FAULT_UPSTREAM_INVALID},
    {408, FAULT_TIMEOUT},
    {409, FAULT_UPSTREAM_ERROR},
    {410, FAULT_UPSTREAM_MODEL},
    {413, FAULT_TOO_LARGE},
    {415, FAULT_BAD_REQUEST},
    {422, FAULT_UNPROCESSABLE},
    {429, FAULT_UPSTREAM_RATE},
    {431, FAULT_TOO_LARGE},
    {451, FAULT_CONTENT},
    {498, FAULT_UPSTREAM_OVERLOAD},
    {500, FAULT_UPSTREAM_ERROR},
    {502, FAULT_UPSTREAM_ERROR},
    {503, FAULT_UPSTREAM_OVERLOAD},
    {504, FAULT_TIMEOUT},
    {520, FAULT_UPSTREAM_ERROR},
    {524, FAULT_TIMEOUT},
    {529, FAULT_UPSTREAM_OVERLOAD},
    {600, FAULT_UPSTREAM_INVALID},
    {0, FAULT_UPSTREAM_INVALID},
};

static void test_statuses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    enum fault got = fault_of_status(statuses[i].status);
    if (got != statuses[i].expected) fail_msg("%u: %s", statuses[i].status, fault_row(got)->name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_complete),
      cmocka_unit_test(test_what_others_rely_on),
      cmocka_unit_test(test_statuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
