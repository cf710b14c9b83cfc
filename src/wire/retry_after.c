#define _GNU_SOURCE
#include "wire/retry_after.h"

#include <stdio.h>
#include <time.h>

enum { WAIT_UNCLEAR_S = 60, WAIT_MAX_S = 86400 };

int64_t retry_after_moment(struct str date) {
  char text[32];
  struct tm tm = {0};
  snprintf(text, sizeof text, "%.*s", STR_ARGS(date));
  const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return !end || *end ? 0 : (int64_t)timegm(&tm);
}

// Seconds until such a moment.
static unsigned seconds_until(struct str date, int64_t unix_s) {
  int64_t then = retry_after_moment(date), seconds = then - unix_s;
  if (!then) return WAIT_UNCLEAR_S;
  return seconds < 1 ? 1 : seconds > WAIT_MAX_S ? WAIT_MAX_S : (unsigned)seconds;
}

// A number of such units, `unit` of them a second, as seconds: "30", "12.5". One that has begun counts whole.
static bool wait_counted(struct str text, unsigned unit, unsigned *seconds) {
  uint64_t whole = 0;
  bool rest = false, digits = false;
  size_t i = 0;
  for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, digits = true)
    if (whole <= (uint64_t)WAIT_MAX_S * unit) whole = whole * 10 + (unsigned)(text.ptr[i] - '0');
  if (digits && i < text.len && text.ptr[i] == '.')
    for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) rest |= text.ptr[i] != '0';
  uint64_t value = (whole + rest + unit - 1) / unit;
  *seconds = value < WAIT_MAX_S ? (unsigned)value : WAIT_MAX_S;
  return digits && i == text.len;
}

unsigned retry_after(const struct http_head *head, int64_t unix_s) {
  unsigned seconds;
  // Azure says 0 here where it says more below.
  if (wait_counted(http_field_get(head, STR("retry-after-ms")), 1000, &seconds) && seconds) return seconds;
  struct str text = http_field_get(head, STR("retry-after"));
  if (!text.len) return 0;
  return wait_counted(text, 1, &seconds) ? seconds : seconds_until(text, unix_s);
}
