// References let secrets stay out of the file: they are filled in after parsing, in scalar values only, so what they
// bring can never become structure.
#include "config/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/problem.h"

enum { SECRET_FILE_MAX = 64 * 1024, VALUE_MAX = 256 * 1024 };

static bool fail(struct arena *arena, struct str path, const char *trouble, struct str *why) {
  *why = arena_printf(arena, "cannot read '%.*s': %s", STR_ARGS(problem_show(arena, path)), trouble);
  return false;
}

static bool read_all(int fd, char *into, size_t max, size_t *len) {
  *len = 0;
  for (;;) {
    ssize_t n = read(fd, into + *len, max + 1 - *len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    *len += (size_t)n;
    if (*len > max) {
      errno = EFBIG;
      return false;
    }
  }
}

bool reference_read_file(struct arena *arena, struct str path, size_t max, bool regular, struct str *out,
                         struct str *why) {
  struct str name = arena_str(arena, path);
  if (!name.ptr) return fail(arena, path, "out of memory", why);
  int fd = open(name.ptr, O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular ? O_NONBLOCK : 0));
  if (fd < 0) return fail(arena, path, strerror(errno), why);
  struct stat about;
  char *bytes = NULL;
  const char *trouble = NULL;
  size_t len = 0;
  if (fstat(fd, &about)) {
    trouble = strerror(errno);
  } else if (regular && !S_ISREG(about.st_mode)) {
    trouble = "it is not a plain file";
  } else if (!(bytes = malloc(max + 1))) {
    trouble = "out of memory";
  } else if (!read_all(fd, bytes, max, &len)) {
    trouble = strerror(errno);
  } else {
    *out = arena_str(arena, str_from(bytes, len));
    if (!out->ptr) trouble = "out of memory";
  }
  close(fd);
  if (bytes) explicit_bzero(bytes, len);
  free(bytes);
  return trouble ? fail(arena, path, trouble, why) : true;
}

static bool is_name(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    if (!letter && !(i && c >= '0' && c <= '9')) return false;
  }
  return name.len > 0;
}

static bool expand_file(struct arena *arena, struct str path, struct buf *out, struct str *why) {
  struct str text;
  if (!reference_read_file(arena, path, SECRET_FILE_MAX, true, &text, why)) return false;
  if (str_ends(text, STR("\n"))) text.len--;
  if (str_ends(text, STR("\r"))) text.len--;
  buf_str(out, text);
  return true;
}

static bool expand_env(struct arena *arena, struct str body, struct buf *out, struct str *why) {
  size_t colon = str_find(body, STR(":-"), 0);
  struct str name = colon == SIZE_MAX ? body : str_from(body.ptr, colon);
  if (!is_name(name)) {
    *why = STR("a reference is ${NAME}, ${NAME:-otherwise} or ${file:/path}; write $${ for the characters themselves");
    return false;
  }
  struct str copy = arena_str(arena, name);
  const char *value = copy.ptr ? getenv(copy.ptr) : NULL;
  if (colon != SIZE_MAX && (!value || !*value)) {
    buf_str(out, str_skip(body, colon + 2));
  } else if (value) {
    buf_str(out, str_from_cstr(value));
  } else {
    *why = arena_printf(arena, "the environment variable %.*s is not set", STR_ARGS(name));
    return false;
  }
  return true;
}

static bool expand_into(struct arena *arena, struct str text, struct buf *out, struct str *why) {
  size_t at = 0, hit;
  while ((hit = str_find(text, STR("${"), at)) != SIZE_MAX) {
    if (hit > at && text.ptr[hit - 1] == '$') {
      // The $ before is the escape.
      buf_append(out, text.ptr + at, hit - 1 - at);
      buf_lit(out, "${");
      at = hit + 2;
      continue;
    }
    buf_append(out, text.ptr + at, hit - at);
    size_t end = str_find_char(text, '}', hit);
    if (end == SIZE_MAX) {
      *why = STR("a reference ${...} has no closing brace");
      return false;
    }
    struct str body = str_from(text.ptr + hit + 2, end - hit - 2);
    bool file = str_starts(body, STR("file:"));
    if (file ? !expand_file(arena, str_skip(body, 5), out, why) : !expand_env(arena, body, out, why)) return false;
    at = end + 1;
  }
  buf_str(out, str_skip(text, at));
  return true;
}

bool reference_expand(struct arena *arena, struct str text, struct str *out, struct str *why) {
  *out = text;
  if (str_find(text, STR("${"), 0) == SIZE_MAX) return true;
  struct buf made;
  buf_init(&made, VALUE_MAX);
  bool ok = expand_into(arena, text, &made, why);
  if (ok && made.failed) {
    *why = STR("the value is too long (256 KiB)");
    ok = false;
  }
  if (ok) {
    *out = arena_str(arena, buf_view(&made));
    if (!out->ptr) {
      *why = STR("out of memory");
      ok = false;
    }
  }
  if (made.ptr) explicit_bzero(made.ptr, made.cap);
  buf_free(&made);
  return ok;
}
