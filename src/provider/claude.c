#include "provider/claude.h"

static const struct claude old = {.known = true, .budget = true, .sampling = true, .forced = true};
static const struct claude newest = {.known = true,
                                     .adaptive = true,
                                     .effort = true,
                                     .xhigh = true,
                                     .forced = true,
                                     .forced_thinking = true,
                                     .schema = true,
                                     .system_inside = true};

// A number of one or two digits at *s; longer ones are dates.
static bool take_number(struct str *s, unsigned *out) {
  size_t n = 0;
  unsigned value = 0;
  while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9' && n < 3)
    value = value * 10 + (unsigned)(s->ptr[n++] - '0');
  if (!n || n > 2) return false;
  *s = str_skip(*s, n);
  *out = value;
  return true;
}

static bool take(struct str *s, struct str word) {
  if (!str_starts(*s, word)) return false;
  *s = str_skip(*s, word.len);
  return true;
}

struct claude claude_model(struct str name) {
  size_t at = str_find(name, STR("claude-"), 0);
  if (at == SIZE_MAX) return (struct claude){.budget = true, .sampling = true, .forced = true, .forced_thinking = true};
  struct str rest = str_skip(name, at + 7);
  unsigned major = 0, minor = 0;
  if (rest.len && rest.ptr[0] >= '0' && rest.ptr[0] <= '9') return old;  // claude-3-5-sonnet and before
  bool opus = take(&rest, STR("opus")), haiku = !opus && take(&rest, STR("haiku"));
  bool sonnet = !opus && !haiku && take(&rest, STR("sonnet"));
  struct claude c = newest;
  if (!opus && !haiku && !sonnet) {  // fable, mythos and what may come
    c.always_thinks = str_starts(rest, STR("fable")) || str_starts(rest, STR("mythos"));
    c.forced = !c.always_thinks;
    return c;
  }
  if (!take(&rest, STR("-")) || !take_number(&rest, &major)) return newest;
  if (take(&rest, STR("-")) && !take_number(&rest, &minor)) minor = 0;
  unsigned version = major * 10 + (minor < 10 ? minor : 9);
  c.system_inside = version >= 48;
  if (version >= 47) return c;
  c = old;
  c.schema = version >= 45 || (opus && version >= 41);
  c.one_sampling = version >= 41;
  c.effort = version >= 46 || (opus && version >= 45);
  c.adaptive = c.forced_thinking = version >= 46;
  return c;
}
