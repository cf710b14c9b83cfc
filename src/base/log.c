#define _GNU_SOURCE
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level level_max = LOG_INFO;

void log_set_level(enum log_level level) {
  level_max = level;
}

void log_line(enum log_level level, const char *format, ...) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  if (level > level_max) return;
  char line[1024];
  struct timespec now;
  struct tm tm;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &tm);
  size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
  len += (size_t)snprintf(line + len, sizeof line - len, ".%03ldZ %-5s ", now.tv_nsec / 1000000, names[level]);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line + len, sizeof line - len - 1, format, args);
  va_end(args);
  if (n > 0) len += (size_t)n < sizeof line - len - 1 ? (size_t)n : sizeof line - len - 2;
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)line[i] < 0x20) line[i] = ' ';  // one event, one line
  line[len++] = '\n';
  if (write(STDERR_FILENO, line, len) < 0) return;  // nobody is left to tell
}
