#include "provider/gemini_sources.h"

#include <stdlib.h>

#include "json/escape.h"
#include "provider/decode.h"

enum {
  WORDS_MAX = 4 << 20,
  SOURCES_MAX = 1024,
  SUPPORTS_MAX = 4096,  // places where something is cited
  SEEN_MAX = 65536,     // those that were told again included
  RUNS_MAX = 1 << 17,
};

struct word {
  uint32_t at, len;  // in words
};

struct gemini_source {
  struct word url, title, json;  // json: of one that has no address
  bool cited;
};

struct gemini_support {
  uint64_t from, to;  // bytes of the whole text
  uint32_t source;
  struct word text;
};

struct gemini_run {
  uint64_t byte, character;  // where it begins
  uint8_t width;
};

void gemini_sources_begin(struct gemini_sources *s) {
  buf_init(&s->words, WORDS_MAX);
  buf_init(&s->searched, WORDS_MAX);
  buf_init(&s->fetched, WORDS_MAX);
}

void gemini_sources_free(struct gemini_sources *s) {
  buf_free(&s->words);
  buf_free(&s->searched);
  buf_free(&s->fetched);
  free(s->sources);
  free(s->supports);
  free(s->runs);
}

// Room for one more in an array.
static bool grow(void **items, uint32_t count, uint32_t *cap, size_t size) {
  if (count < *cap) return true;
  uint32_t more = *cap ? *cap * 2 : 16;
  void *grown = realloc(*items, more * size);
  if (!grown) return false;
  *items = grown;
  *cap = more;
  return true;
}

// --- bytes and characters ---

static bool run_begin(struct gemini_sources *s, uint8_t width) {
  uint8_t last = s->run_count ? s->runs[s->run_count - 1].width : 1;
  if (width == last) return true;
  if (s->run_count == RUNS_MAX) return true;  // ranges behind it are a little off
  if (!grow((void **)&s->runs, s->run_count, &s->run_cap, sizeof *s->runs)) return false;
  s->runs[s->run_count++] = (struct gemini_run){s->bytes, s->characters, width};
  return true;
}

bool gemini_sources_text(struct gemini_sources *s, struct str inside) {
  for (const char *p = inside.ptr, *end = p + inside.len; p < end;) {
    char decoded[4];
    unsigned char c = (unsigned char)*p;
    unsigned width = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (c == '\\')
      width = escape_decode(&p, end, decoded);
    else
      p += width;
    if (!run_begin(s, (uint8_t)width)) return false;
    s->bytes += width;
    s->characters++;
  }
  return true;
}

void gemini_sources_part(struct gemini_sources *s) {
  s->part_from = s->characters;
  if (s->part_count < sizeof s->parts / sizeof *s->parts) s->parts[s->part_count++] = s->bytes;
}

// How many whole characters there are before a byte.
static uint64_t characters_before(const struct gemini_sources *s, uint64_t byte) {
  if (byte >= s->bytes) return s->characters;
  uint32_t low = 0, high = s->run_count;
  while (low < high) {  // the last run that begins there or before
    uint32_t middle = low + (high - low) / 2;
    if (s->runs[middle].byte <= byte)
      low = middle + 1;
    else
      high = middle;
  }
  if (!low) return byte;
  const struct gemini_run *run = &s->runs[low - 1];
  return run->character + (byte - run->byte) / run->width;
}

// --- keeping ---

static struct word keep(struct gemini_sources *s, struct str text) {
  struct word word = {(uint32_t)s->words.len, (uint32_t)text.len};
  buf_str(&s->words, text);
  return word;
}

static struct str word_of(const struct gemini_sources *s, struct word word) {
  return word.len ? str_from(s->words.ptr + word.at, word.len) : (struct str){0};
}

static bool is_web(struct str url) {
  return str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
}

static bool add_source(struct gemini_sources *s, struct str url, struct str title, struct str json) {
  if (s->source_count == SOURCES_MAX) return true;
  if (!grow((void **)&s->sources, s->source_count, &s->source_cap, sizeof *s->sources)) return false;
  struct gemini_source *source = &s->sources[s->source_count++];
  bool web = is_web(url);
  *source = (struct gemini_source){.url = keep(s, web ? url : (struct str){0}), .title = keep(s, title)};
  source->json = keep(s, web ? (struct str){0} : json);
  return !s->words.failed;
}

static bool add_support(struct gemini_sources *s, struct gemini_support support, struct str text) {
  if (s->seen++ >= SEEN_MAX || s->support_count == SUPPORTS_MAX) return true;
  for (uint32_t i = 0; i < s->support_count; i++) {  // the same comes again from chunk to chunk
    const struct gemini_support *known = &s->supports[i];
    if (known->from == support.from && known->to == support.to && known->source == support.source) return true;
  }
  if (!grow((void **)&s->supports, s->support_count, &s->support_cap, sizeof *s->supports)) return false;
  support.text = keep(s, text);
  s->supports[s->support_count++] = support;
  return !s->words.failed;
}

// A page, a place on the map, or a document of the client's own.
static bool take_chunk(struct gemini_sources *s, const struct json_doc *doc, uint32_t chunk) {
  static const struct str kinds[] = {{"web", 3}, {"retrievedContext", 16}, {"maps", 4}, {"image", 5}};
  uint32_t inner = JSON_NONE;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && inner == JSON_NONE; i++)
    inner = json_get(doc, chunk, kinds[i]);
  struct str url = decode_member(doc, inner, STR("uri"));
  if (!url.len) url = decode_member(doc, inner, STR("sourceUri"));
  bool hollow = json_first(doc, inner) == JSON_NONE;  // it has its number all the same
  return add_source(s, url, decode_member(doc, inner, STR("title")), hollow ? (struct str){0} : json_raw(doc, chunk));
}

// A list is told again with more in it, or goes on: the first address tells which.
static bool take_chunks(struct gemini_sources *s, const struct json_doc *doc, uint32_t chunks) {
  uint32_t first = json_is(doc, chunks, JSON_ARRAY) ? json_first(doc, chunks) : JSON_NONE, skip = 0;
  if (first == JSON_NONE) return true;
  struct str url = decode_member(doc, json_get(doc, first, STR("web")), STR("uri"));
  if (s->source_count && url.len && str_eq(url, word_of(s, s->sources[0].url))) skip = s->source_count;
  for (uint32_t c = first; c != JSON_NONE; c = json_next(doc, chunks, c)) {
    if (skip) {
      skip--;
      continue;
    }
    if (!take_chunk(s, doc, c)) return false;
  }
  return true;
}

static bool take_support(struct gemini_sources *s, const struct json_doc *doc, uint32_t support) {
  uint32_t segment = json_get(doc, support, STR("segment")),
           list = json_get(doc, support, STR("groundingChunkIndices"));
  uint64_t part = decode_count_or_0(doc, segment, STR("partIndex"));
  uint64_t base = part && part < s->part_count ? s->parts[part] : 0;
  struct gemini_support made = {.from = base + decode_count_or_0(doc, segment, STR("startIndex")),
                                .to = base + decode_count_or_0(doc, segment, STR("endIndex"))};
  for (uint32_t i = json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE; i != JSON_NONE;
       i = json_next(doc, list, i)) {
    uint64_t number;
    if (!json_u64(doc, i, SOURCES_MAX, &number)) continue;
    made.source = (uint32_t)number;
    if (!add_support(s, made, decode_member(doc, segment, STR("text")))) return false;
  }
  return true;
}

// What the model has recited. It counts in bytes, too, and names no list of sources.
static bool take_recitation(struct gemini_sources *s, const struct json_doc *doc, uint32_t citation) {
  struct str url = decode_member(doc, citation, STR("uri"));
  struct gemini_support made = {.from = decode_count_or_0(doc, citation, STR("startIndex")),
                                .to = decode_count_or_0(doc, citation, STR("endIndex"))};
  if (s->seen++ >= SEEN_MAX) return true;
  for (uint32_t i = 0; i < s->support_count; i++) {
    const struct gemini_support *known = &s->supports[i];
    bool same = known->from == made.from && known->to == made.to;
    if (same && known->source < s->source_count && str_eq(url, word_of(s, s->sources[known->source].url))) return true;
  }
  made.source = s->source_count;
  if (made.source == SOURCES_MAX) return true;
  return add_source(s, url, decode_member(doc, citation, STR("title")), json_raw(doc, citation)) &&
         add_support(s, made, (struct str){0});
}

static uint32_t first_of(const struct json_doc *doc, uint32_t list) {
  return json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE;
}

static bool replace(struct buf *kept, const struct json_doc *doc, uint32_t value, const char *name) {
  if (json_first(doc, value) == JSON_NONE) return true;
  buf_clear(kept);
  buf_char(kept, '{');
  json_write_key(kept, str_from_cstr(name));
  buf_str(kept, json_raw(doc, value));
  buf_char(kept, '}');
  return !kept->failed;
}

bool gemini_sources_take(struct gemini_sources *s, const struct json_doc *doc, uint32_t candidate) {
  uint32_t grounding = json_get(doc, candidate, STR("groundingMetadata"));
  uint32_t supports = json_get(doc, grounding, STR("groundingSupports"));
  uint32_t queries = json_get(doc, grounding, STR("webSearchQueries")), count = 0;
  uint32_t cited = json_get(doc, candidate, STR("citationMetadata"));
  uint32_t citations = json_get(doc, cited, STR("citations"));
  if (!take_chunks(s, doc, json_get(doc, grounding, STR("groundingChunks")))) return false;
  for (uint32_t n = first_of(doc, supports); n != JSON_NONE; n = json_next(doc, supports, n))
    if (!take_support(s, doc, n)) return false;
  for (uint32_t q = first_of(doc, queries); q != JSON_NONE; q = json_next(doc, queries, q)) count++;
  if (count > s->queries) s->queries = count;
  if (citations == JSON_NONE) citations = json_get(doc, cited, STR("citationSources"));
  for (uint32_t c = first_of(doc, citations); c != JSON_NONE; c = json_next(doc, citations, c))
    if (!take_recitation(s, doc, c)) return false;
  uint32_t fetched = json_get(doc, json_get(doc, candidate, STR("urlContextMetadata")), STR("urlMetadata"));
  return replace(&s->searched, doc, queries, "queries") && replace(&s->fetched, doc, fetched, "urlMetadata");
}

// --- giving ---

static void give_citation(struct gemini_sources *s, struct event_sink sink, const struct gemini_source *source,
                          uint64_t from, uint64_t to, struct word text) {
  decode_give(sink, (struct event){.kind = EVENT_CITATION,
                                   .url = word_of(s, source->url),
                                   .title = word_of(s, source->title),
                                   .cited = word_of(s, text),
                                   .json = word_of(s, source->json),
                                   .has_range = true,
                                   .from = from,
                                   .to = to});
}

// A look-up the service made: JSON becomes the inside of a string.
static bool give_tool(struct event_sink sink, struct str name, const struct buf *json, bool result) {
  struct buf text;
  if (!json->len) return true;
  buf_init(&text, 2 * WORDS_MAX);
  json_write_str(&text, buf_view(json));
  bool ok = !text.failed;
  if (ok) {
    struct str inside = str_from(text.ptr + 1, text.len - 2);
    decode_give(sink, (struct event){.kind = EVENT_SERVER_TOOL,
                                     .name = name,
                                     .arguments = result ? (struct str){0} : inside,
                                     .text = result ? inside : (struct str){0}});
  }
  buf_free(&text);
  return ok;
}

bool gemini_sources_give(struct gemini_sources *s, struct event_sink sink) {
  if (!give_tool(sink, STR("google_search"), &s->searched, false)) return false;
  if (!give_tool(sink, STR("url_context"), &s->fetched, true)) return false;
  for (uint32_t i = 0; i < s->support_count; i++) {
    const struct gemini_support *support = &s->supports[i];
    if (support->source >= s->source_count) continue;  // it names none
    s->sources[support->source].cited = true;
    uint64_t from = characters_before(s, support->from), to = characters_before(s, support->to);
    give_citation(s, sink, &s->sources[support->source], from, to < from ? from : to, support->text);
  }
  for (uint32_t i = 0; i < s->source_count; i++)  // those no place is told for are of the whole text
    if (!s->sources[i].cited) give_citation(s, sink, &s->sources[i], 0, s->characters, (struct word){0});
  return true;
}
