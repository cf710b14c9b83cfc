#include "provider/gemini_model.h"

#include <stdint.h>

enum { NEWEST = 99 };

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static unsigned version_of(struct str name) {
  // Names from before versions stood in them, and families of their own.
  static const struct {
    const char *start;
    unsigned version;
  } rows[] = {{"gemini-pro-vision", 10},    {"gemini-ultra", 10}, {"gemini-exp-", 20},
              {"gemini-robotics-er-1", 25}, {"learnlm", 20},      {"gemma", 0}};
  size_t at = str_find(name, STR("gemini-"), 0);
  if (str_ends(name, STR("gemini-pro"))) return 10;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (has(name, rows[i].start)) return rows[i].version;
  struct str rest = at == SIZE_MAX ? (struct str){0} : str_skip(name, at + 7);
  if (!rest.len || rest.ptr[0] < '0' || rest.ptr[0] > '9') return NEWEST;
  unsigned version = (unsigned)(rest.ptr[0] - '0') * 10;
  if (rest.len > 2 && rest.ptr[1] == '.' && rest.ptr[2] >= '0' && rest.ptr[2] <= '9')
    version += (unsigned)(rest.ptr[2] - '0');
  return version;
}

struct gemini_model gemini_model(struct str name) {
  struct gemini_model m = {.version = version_of(name)};
  bool lite = has(name, "lite"), image = has(name, "image");
  m.pro = has(name, "-pro");
  m.only_audio = has(name, "-tts");
  m.needs_image = has(name, "image-generation");
  m.system = m.version != 0;
  m.json_schema = m.strict = m.version >= 25;
  m.mixes = m.media_result = m.version >= 30;
  m.minimal = !m.pro && m.version < 37;
  if (m.version >= 25 && !image && !m.only_audio)
    m.thinking = m.version >= 30 ? GEMINI_THINKS_LEVEL : GEMINI_THINKS_BUDGET;
  m.budget_min = m.pro ? 128 : lite ? 512 : 0;
  m.budget_max = m.pro ? 32768 : 24576;
  return m;
}
