// What a request needs of an endpoint. Its length is told by bytes, not by a tokenizer: a fair guess to order by, and a
// number that is certainly not too high to exclude by.
#include <assert.h>

#include "llm/names.h"
#include "surface/chat_members.h"
#include "surface/preferences.h"

enum { FAIR = 4, TOOLS_LEAST = 16 };  // bytes a token; schemas are retold in fewer words

// Members under which endpoints list what they know.
static const struct {
  uint8_t member, bit;
} parameters[] = {
#define ROW(ID, name) \
  { CHAT_MEMBER_##ID, NAMES_PARAMETER_##name }
    ROW(TEMPERATURE, temperature),
    ROW(TOP_P, top_p),
    ROW(TOP_K, top_k),
    ROW(MIN_P, min_p),
    ROW(TOP_A, top_a),
    ROW(FREQUENCY_PENALTY, frequency_penalty),
    ROW(PRESENCE_PENALTY, presence_penalty),
    ROW(REPETITION_PENALTY, repetition_penalty),
    ROW(MAX_TOKENS, max_tokens),
    ROW(MAX_COMPLETION_TOKENS, max_completion_tokens),
    ROW(LOGIT_BIAS, logit_bias),
    ROW(LOGPROBS, logprobs),
    ROW(TOP_LOGPROBS, top_logprobs),
    ROW(PREDICTION, prediction),
    ROW(SEED, seed),
    ROW(RESPONSE_FORMAT, response_format),
    ROW(STOP, stop),
    ROW(TOOL_CHOICE, tool_choice),
    ROW(PARALLEL_TOOL_CALLS, parallel_tool_calls),
    ROW(INCLUDE_REASONING, include_reasoning),
    ROW(REASONING, reasoning),
    ROW(REASONING_EFFORT, reasoning_effort),
    ROW(WEB_SEARCH_OPTIONS, web_search_options),
    ROW(VERBOSITY, verbosity),
#undef ROW
};

uint32_t chat_member_parameter(enum chat_member_id id) {
  for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
    if (parameters[i].member == id) return (uint32_t)1 << parameters[i].bit;
  return 0;
}

static uint32_t parameters_of(const struct chat_request *r) {
  uint32_t mask = r->has_tools ? NAME_BIT(tools) : 0;
  for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
    uint32_t value = r->index->at[parameters[i].member];
    if (value != JSON_NONE && json_type(&r->doc, value) != JSON_NULL) mask |= (uint32_t)1 << parameters[i].bit;
  }
  return mask;
}

static uint32_t output_of(const struct chat_request *r) {
  const struct json_doc *doc = &r->doc;
  uint32_t list = chat_member_at(r, CHAT_MEMBER_MODALITIES), mask = 0;
  for (uint32_t item = json_first(doc, list); item != JSON_NONE; item = json_next(doc, list, item)) {
    struct str raw = json_raw(doc, item);
    struct str word = json_is(doc, item, JSON_STRING) ? str_from(raw.ptr + 1, raw.len - 2) : (struct str){0};
    mask |= names_modality_mask((struct str_list){&word, 1});
  }
  return mask & ~MODALITY_BIT(text);
}

// --- length ---

// \u4e2d is six bytes for one character that is three; writers that keep to ASCII make whole texts of these.
static uint64_t escapes_in(struct str text) {
  uint64_t n = 0;
  for (const char *end = text.ptr + text.len, *p = text.ptr; p < end && (p = memchr(p, '\\', (size_t)(end - p)));
       p += 2)
    n += p + 1 < end && p[1] == 'u';
  return n;
}

// One message's content that is an array: its kinds of input, and the bytes that are no text.
static uint64_t look_at_parts(struct json_doc *parts, struct str content, uint32_t *modalities) {
  uint64_t binary = 0;
  if (json_parse(parts, content, 2) != JSON_OK) return 0;  // valid JSON: memory is out, and it counts as text
  for (uint32_t part = json_first(parts, 0); part != JSON_NONE; part = json_next(parts, 0, part)) {
    static const struct {
      struct str type;
      uint32_t modality;
    } kinds[] = {{{"image_url", 9}, MODALITY_BIT(image)},
                 {{"input_image", 11}, MODALITY_BIT(image)},
                 {{"input_audio", 11}, MODALITY_BIT(audio)},
                 {{"video_url", 9}, MODALITY_BIT(video)},
                 {{"input_video", 11}, MODALITY_BIT(video)},
                 {{"file", 4}, 0},
                 {{"input_file", 10}, 0}};
    uint32_t type = json_get(parts, part, STR("type"));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
      if (!json_string_is(parts, type, kinds[i].type)) continue;
      *modalities |= kinds[i].modality;
      binary += json_raw(parts, part).len;
    }
  }
  return binary;
}

// Blanks and line feeds that follow something, a byte's count at a time: compilers make vectors of that.
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("O3")))
#endif
static uint64_t
word_ends(const char *text, size_t len) {
  uint64_t n = 0;
  size_t i = 1;
  while (i + 1 < len) {
    size_t stop = i + 128 < len - 1 ? i + 128 : len - 1;
    uint8_t some = 0;
    for (; i < stop; i++)
      some += ((text[i] == ' ') | ((text[i] == '\\') & (text[i + 1] == 'n'))) & (text[i - 1] != ' ');
    n += some;
  }
  return n;
}

// How many words a text has: no tokenizer makes fewer tokens of them, whatever it does with runs of letters that are no
// language's. Of a long text a part is read, here and there.
static uint64_t words_in(struct str text) {
  enum { WINDOWS = 32, WINDOW = 128 };
  if (text.len <= (size_t)WINDOWS * WINDOW) return word_ends(text.ptr, text.len);
  uint64_t ends = 0;
  for (size_t i = 0; i < WINDOWS; i++) {
    ends += word_ends(text.ptr + (text.len - WINDOW) / WINDOWS * i, WINDOW);
  }
  return (uint64_t)((double)ends / (WINDOWS * WINDOW) * (double)text.len * 0.95);
}

struct length {
  uint64_t words;    // of what is said in plain text
  uint64_t binary;   // bytes that are no text
  uint64_t escapes;  // bytes more than their characters have
};

static struct length look_at_messages(const struct chat_request *r, uint32_t *modalities) {
  const struct json_doc *doc = &r->doc;
  uint32_t messages = chat_member_at(r, CHAT_MEMBER_MESSAGES);
  struct json_doc parts = {0};
  struct length sum = {0};
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m)) {
    uint32_t value = json_get(doc, m, STR("content"));
    if (value == JSON_NONE) continue;
    struct str raw = json_raw(doc, value);
    bool array = json_is(doc, value, JSON_ARRAY);
    uint64_t binary = array ? look_at_parts(&parts, raw, modalities) : 0;
    uint64_t escapes = array || doc->nodes[value].escaped ? 3 * escapes_in(raw) : 0;
    if (escapes > raw.len - binary) escapes = 0;  // they were in what is no text
    sum.words += array && binary ? 0 : words_in(raw);
    sum.binary += binary;
    sum.escapes += escapes;
  }
  json_doc_free(&parts);
  return sum;
}

void request_facts_of(const struct chat_request *r, struct request_facts *out) {
  struct str messages = json_raw(&r->doc, chat_member_at(r, CHAT_MEMBER_MESSAGES));
  struct str tools = json_raw(&r->doc, chat_member_at(r, CHAT_MEMBER_TOOLS));
  *out = (struct request_facts){.max_tokens = r->max_tokens,
                                .parameters = parameters_of(r),
                                .output_modalities = output_of(r),
                                .tools = r->has_tools};
  struct length length = look_at_messages(r, &out->input_modalities);
  assert(length.binary + length.escapes <= messages.len);
  out->prompt_tokens = (messages.len - length.binary - length.escapes + tools.len) / FAIR;
  out->prompt_tokens_least = length.words + tools.len / TOOLS_LEAST;
}
