// Log lines on standard error: time, level, text. Never hand it a secret or a prompt.
#pragma once

#include "base/attr.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
PRINTF_LIKE(2, 3) void log_line(enum log_level level, const char *format, ...);
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
