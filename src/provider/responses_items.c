#include "provider/responses_items.h"

#include <stdlib.h>
#include <string.h>

#include "json/escape.h"
#include "provider/decode.h"

enum { ITEMS_MAX = 1024, TEXT_MAX = 64 << 20 };

enum item_kind {
  ITEM_UNKNOWN,
  ITEM_MESSAGE,
  ITEM_REASONING,
  ITEM_CALL,     // a function: arguments are JSON
  ITEM_CUSTOM,   // a tool with free text for arguments
  ITEM_WRAPPER,  // a call that may hold several
  ITEM_CLIENT,   // another tool that the client must run: its arguments are the item
  ITEM_SERVER,   // the provider ran it
  ITEM_IMAGE,
};

// A text that is told in pieces and then, perhaps, as a whole.
struct told {
  uint64_t bytes, sum;
};

struct responses_item {
  uint8_t kind;
  bool begun;    // a call: the client knows of it; a text: its first part has begun
  bool ended;    // a call: the client has all of it; anything else: it was told whole
  bool done;     // its end was told; the same place may be used again by a careless service
  bool settled;  // found in the finished response
  bool encrypted, phased;
  bool held;                          // a call: the arguments so far are kept back
  uint8_t list;                       // of reasoning: 1 + RESPONSES_SUMMARY or RESPONSES_REASONING, what is given of it
  uint32_t place, call, part;         // part: of text or reasoning, the present one
  uint32_t block;                     // of the present part; 0: nothing of it was given
  uint32_t citations, logprobs;       // given so far
  uint64_t id_hash, from, part_from;  // from: characters of the answer before it
  struct told text, refusal;          // of the present part; `text` also of reasoning and arguments
};

void responses_items_init(struct responses_items *s, struct event_sink sink) {
  *s = (struct responses_items){.sink = sink};
  buf_init(&s->held, TEXT_MAX);
}

void responses_items_free(struct responses_items *s) {
  free(s->items);
  buf_free(&s->held);
}

// --- texts ---

static uint64_t stir(uint64_t sum, unsigned char byte) {
  return (sum ^ byte) * 1099511628211u;  // FNV-1a
}

static void told_add(struct told *t, struct str inside) {
  struct escape_walk walk = escape_walk(inside);
  for (int c; (c = escape_walk_next(&walk)) >= 0; t->bytes++) t->sum = stir(t->sum, (unsigned char)c);
}

// What `whole` has beyond what was told; nothing when it says less, or something else.
static struct str told_rest(const struct told *t, struct str whole) {
  struct escape_walk walk = escape_walk(whole);
  uint64_t sum = 0, n = 0;
  if (!whole.len || !t->bytes) return whole;
  for (int c; n < t->bytes && (c = escape_walk_next(&walk)) >= 0; n++) sum = stir(sum, (unsigned char)c);
  if (n < t->bytes || sum != t->sum || walk.at != walk.len) return (struct str){0};
  return str_skip(whole, (size_t)(walk.p - whole.ptr));
}

// A value as the inside of a string that holds its text.
static struct str as_inside(struct responses_items *s, struct buf *into, struct str json) {
  buf_init(into, TEXT_MAX);
  json_write_str(into, json);
  s->no_memory |= into->failed;
  return into->failed ? (struct str){0} : str_from(into->ptr + 1, into->len - 2);
}

static bool has_type(const struct json_doc *doc, uint32_t node, const char *type) {
  return json_string_is(doc, json_get(doc, node, STR("type")), str_from_cstr(type));
}

// --- which item ---

static uint64_t hash_of(struct str id) {
  uint64_t sum = 1;
  for (size_t i = 0; i < id.len; i++) sum = stir(sum, (unsigned char)id.ptr[i]);
  return id.len ? sum : 0;
}

static struct responses_item *add(struct responses_items *s, uint32_t place) {
  struct responses_item *grown = NULL;
  if (s->count < ITEMS_MAX && (s->count & (s->count - 1)) == 0)
    grown = realloc(s->items, (s->count ? 2 * (size_t)s->count : 1) * sizeof *grown);
  else if (s->count < ITEMS_MAX)
    grown = s->items;
  s->no_memory |= !grown;
  if (!grown) return NULL;
  s->items = grown;
  grown[s->count] = (struct responses_item){.place = place};
  return &grown[s->count++];
}

static struct responses_item *last_at(struct responses_items *s, uint32_t place) {
  for (uint32_t i = s->count; i-- > 0;)
    if (s->items[i].place == place) return &s->items[i];
  return NULL;
}

static struct responses_item *with_id(struct responses_items *s, uint64_t hash) {
  for (uint32_t i = s->count; hash && i-- > 0;)
    if (s->items[i].id_hash == hash) return &s->items[i];
  return NULL;
}

// The item an event belongs to. Without a place it is that of the ID, else the newest. NULL: no memory.
static struct responses_item *item_of(struct responses_items *s, uint32_t event) {
  const struct json_doc *doc = s->doc;
  struct responses_item *it;
  uint64_t place;
  if (json_u64(doc, json_get(doc, event, STR("output_index")), UINT32_MAX, &place)) {
    it = last_at(s, (uint32_t)place);
    return it ? it : add(s, (uint32_t)place);
  }
  struct str id = decode_member(doc, event, STR("item_id"));
  if (!id.len) id = decode_member(doc, json_get(doc, event, STR("item")), STR("id"));
  it = with_id(s, hash_of(id));
  return it ? it : s->count ? &s->items[s->count - 1] : add(s, 0);
}

// What a client must do itself, and how it is asked: as if it were a function.
static const struct {
  const char *type, *name;
} client_tools[] = {{"computer_call", "computer"},
                    {"local_shell_call", "local_shell"},
                    {"shell_call", "shell"},
                    {"apply_patch_call", "apply_patch"}};

static struct str client_tool(const struct json_doc *doc, uint32_t item) {
  struct str environment = decode_member(doc, json_get(doc, item, STR("environment")), STR("type"));
  if (environment.len && !str_eq(environment, STR("local"))) return (struct str){0};  // it runs over there
  for (size_t i = 0; i < sizeof client_tools / sizeof *client_tools; i++)
    if (has_type(doc, item, client_tools[i].type)) return str_from_cstr(client_tools[i].name);
  return (struct str){0};
}

// Models may leak the name under which they make several calls at once.
static bool may_be_wrapper(struct str name) {
  return str_find(name, STR("multi_tool_use"), 0) != SIZE_MAX || str_eq(name, STR("parallel"));
}

static enum item_kind kind_of(const struct responses_items *s, uint32_t item) {
  const struct json_doc *doc = s->doc;
  struct str type = decode_member(doc, item, STR("type")), name = decode_member(doc, item, STR("name"));
  if (!type.len) return ITEM_UNKNOWN;
  if (str_eq(type, STR("message"))) return ITEM_MESSAGE;
  if (str_eq(type, STR("reasoning"))) return ITEM_REASONING;
  if (str_eq(type, STR("function_call"))) return may_be_wrapper(name) ? ITEM_WRAPPER : ITEM_CALL;
  if (str_eq(type, STR("custom_tool_call"))) return s->serves_custom ? ITEM_SERVER : ITEM_CUSTOM;
  if (str_eq(type, STR("image_generation_call"))) return ITEM_IMAGE;
  return client_tool(doc, item).len ? ITEM_CLIENT : ITEM_SERVER;
}

static void note_kind(struct responses_items *s, struct responses_item *it, uint32_t item) {
  if (it->kind == ITEM_UNKNOWN) it->kind = (uint8_t)kind_of(s, item);
  if (!it->id_hash) it->id_hash = hash_of(decode_member(s->doc, item, STR("id")));
}

// --- messages ---

static void part_begin(struct responses_items *s, struct responses_item *it, uint32_t part) {
  if (it->begun && part <= it->part) return;
  if (!it->begun) it->from = s->characters;
  it->begun = true;
  it->part = part;
  it->part_from = s->characters;
  it->block = 0;
  it->text = it->refusal = (struct told){0};
}

static void message_tell(struct responses_items *s, struct responses_item *it, enum responses_telling what,
                         uint32_t part, struct str text, bool whole) {
  if (it->kind == ITEM_UNKNOWN) it->kind = ITEM_MESSAGE;
  if (it->kind != ITEM_MESSAGE) return;
  if (whole && it->begun && part < it->part) return;  // it was given before the next began
  part_begin(s, it, part);
  struct told *told = what == RESPONSES_TEXT ? &it->text : &it->refusal;
  if (whole) text = told_rest(told, text);
  if (!text.len) return;
  told_add(told, text);
  if (!it->block) it->block = ++s->blocks;
  if (what == RESPONSES_TEXT) s->characters += escape_characters(text);
  decode_give_text(s->sink, what == RESPONSES_TEXT ? EVENT_TEXT : EVENT_REFUSAL, it->block, text);
}

// Those of a list, from the n-th of its item on: what was not given yet.
static void give_logprobs(struct responses_items *s, struct responses_item *it, uint32_t list, uint32_t *n) {
  const struct json_doc *doc = s->doc;
  struct str first = {0}, last = {0};
  if (!json_is(doc, list, JSON_ARRAY)) return;
  for (uint32_t l = json_first(doc, list); l != JSON_NONE; l = json_next(doc, list, l)) {
    if ((*n)++ < it->logprobs) continue;
    it->logprobs++;
    if (!first.len) first = json_raw(doc, l);
    last = json_raw(doc, l);
  }
  if (!first.len) return;
  struct str all = str_from(first.ptr, (size_t)(last.ptr - first.ptr) + last.len);
  decode_give(s->sink, (struct event){.kind = EVENT_LOGPROBS, .block = it->block, .json = all});
}

// `from`: characters of the answer before the part the annotation belongs to.
static void give_annotation(struct responses_items *s, struct responses_item *it, uint32_t annotation, uint64_t from) {
  const struct json_doc *doc = s->doc;
  uint32_t inner = json_get(doc, annotation, STR("url_citation"));  // some nest it, as chat does
  uint32_t told = json_is(doc, inner, JSON_OBJECT) ? inner : annotation;
  struct event event = {.kind = EVENT_CITATION,
                        .block = it->block,
                        .url = decode_member(doc, told, STR("url")),
                        .title = decode_member(doc, told, STR("title")),
                        .json = json_raw(doc, annotation)};
  uint64_t begin, end;
  event.has_range = json_u64(doc, json_get(doc, told, STR("start_index")), UINT32_MAX, &begin) &&
                    json_u64(doc, json_get(doc, told, STR("end_index")), UINT32_MAX, &end) && begin <= end;
  if (event.has_range) event.from = from + begin, event.to = from + end;
  decode_give(s->sink, event);
}

static void give_annotations(struct responses_items *s, struct responses_item *it, uint32_t list, uint64_t from,
                             uint32_t *n) {
  const struct json_doc *doc = s->doc;
  if (!json_is(doc, list, JSON_ARRAY)) return;
  for (uint32_t a = json_first(doc, list); a != JSON_NONE; a = json_next(doc, list, a)) {
    if ((*n)++ < it->citations) continue;
    it->citations++;
    give_annotation(s, it, a, from);
  }
}

static void message_phase(struct responses_items *s, struct responses_item *it, uint32_t item) {
  struct str phase = decode_member(s->doc, item, STR("phase"));
  if (it->kind != ITEM_MESSAGE || it->phased || !phase.len) return;
  it->phased = true;
  if (!it->begun) decode_give(s->sink, (struct event){.kind = EVENT_PHASE, .text = phase});
}

static void message_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  const struct json_doc *doc = s->doc;
  uint32_t content = json_get(doc, item, STR("content")), part = 0, citations = 0, logprobs = 0;
  uint64_t before = 0;
  message_phase(s, it, item);
  if (json_is(doc, content, JSON_STRING)) message_tell(s, it, RESPONSES_TEXT, 0, decode_inside(doc, content), true);
  if (!json_is(doc, content, JSON_ARRAY)) return;
  for (uint32_t c = json_first(doc, content); c != JSON_NONE; c = json_next(doc, content, c), part++) {
    struct str text = decode_member(doc, c, STR("text"));
    message_tell(s, it, RESPONSES_TEXT, part, text, true);
    message_tell(s, it, RESPONSES_REFUSAL, part, decode_member(doc, c, STR("refusal")), true);
    give_logprobs(s, it, json_get(doc, c, STR("logprobs")), &logprobs);
    give_annotations(s, it, json_get(doc, c, STR("annotations")), it->from + before, &citations);
    before += escape_characters(text);
  }
}

// --- reasoning ---

static void reasoning_tell(struct responses_items *s, struct responses_item *it, enum responses_telling what,
                           uint32_t part, struct str text, struct str id, bool whole) {
  if (it->kind == ITEM_UNKNOWN) it->kind = ITEM_REASONING;
  if (it->kind != ITEM_REASONING || !text.len) return;
  if (it->list && it->list != 1 + what) return;  // one of the two is enough to read
  if (whole && it->begun && part < it->part) return;
  it->list = (uint8_t)(1 + what);
  bool next = !it->begun || part > it->part;
  if (next) it->text = (struct told){0};
  if (whole) text = told_rest(&it->text, text);
  if (!text.len) return;
  struct event event = {.kind = EVENT_REASONING, .block = it->block, .summary = what == RESPONSES_SUMMARY, .id = id};
  if (next && it->begun) {
    event.text = STR("\\n\\n");  // the end of the part before
    decode_give(s->sink, event);
  }
  if (next) it->block = ++s->blocks;
  it->begun = true;
  if (next) it->part = part;
  told_add(&it->text, text);
  event.block = it->block;
  event.text = text;
  decode_give(s->sink, event);
}

static void reasoning_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  static const struct {
    const char *name;
    enum responses_telling what;
  } lists[] = {{"summary", RESPONSES_SUMMARY}, {"content", RESPONSES_REASONING}};
  const struct json_doc *doc = s->doc;
  struct str id = decode_member(doc, item, STR("id")), encrypted = decode_member(doc, item, STR("encrypted_content"));
  for (int l = 0; l < 2; l++) {
    uint32_t list = json_get(doc, item, str_from_cstr(lists[l].name)), part = 0;
    for (uint32_t p = json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE; p != JSON_NONE;
         p = json_next(doc, list, p), part++)
      reasoning_tell(s, it, lists[l].what, part, decode_member(doc, p, STR("text")), id, true);
  }
  if (!encrypted.len || it->encrypted) return;
  it->encrypted = true;
  decode_give(s->sink, (struct event){.kind = EVENT_ENCRYPTED, .block = ++s->blocks, .text = encrypted, .id = id});
}

// --- calls ---

static void call_begin(struct responses_items *s, struct responses_item *it, uint32_t item, struct str name) {
  struct str id = decode_member(s->doc, item, STR("call_id"));
  if (it->begun || !name.len) return;
  if (!id.len) id = decode_member(s->doc, item, STR("id"));
  it->begun = true;
  it->call = s->calls++;
  decode_give(s->sink, (struct event){.kind = EVENT_CALL, .call = it->call, .id = id, .name = name});
}

// What is told of a call before its name is known, or of one that may be several: kept until its end.
static void hold(struct responses_items *s, struct responses_item *it, struct str text, bool whole) {
  if (!it->held) buf_clear(&s->held);
  it->held = true;
  if (whole && text.len > s->held.len) buf_clear(&s->held);
  if (!whole || !s->held.len) buf_str(&s->held, text);
  s->no_memory |= s->held.failed;
}

static void call_tell(struct responses_items *s, struct responses_item *it, struct str text, bool whole) {
  if (it->ended || (it->kind > ITEM_WRAPPER || it->kind == ITEM_MESSAGE || it->kind == ITEM_REASONING)) return;
  if (!it->begun) {
    hold(s, it, text, whole);
    return;
  }
  if (whole) text = told_rest(&it->text, text);
  told_add(&it->text, text);
  decode_give_arguments(s->sink, it->call, text);
}

static void call_end(struct responses_items *s, struct responses_item *it) {
  if (!it->begun || it->ended) return;
  it->ended = true;
  if (!it->text.bytes && it->kind == ITEM_CALL) decode_give_arguments(s->sink, it->call, STR("{}"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = it->call});
}

// An object where a string belongs.
static void call_object(struct responses_items *s, struct responses_item *it, uint32_t value) {
  struct buf made = {0};
  if (!it->text.bytes) call_tell(s, it, as_inside(s, &made, json_raw(s->doc, value)), false);
  buf_free(&made);
}

static void call_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  const struct json_doc *doc = s->doc;
  uint32_t arguments = json_get(doc, item, STR("arguments"));
  call_begin(s, it, item, decode_member(doc, item, STR("name")));
  if (it->begun && it->held) {
    it->held = false;
    call_tell(s, it, buf_view(&s->held), false);
  }
  if (json_is(doc, arguments, JSON_OBJECT)) {
    call_object(s, it, arguments);
    return;
  }
  struct str text = decode_inside(doc, arguments);
  if (str_eq(text, STR("{}"))) return;  // perhaps more is told later; if not, that is what it gets
  call_tell(s, it, text.len ? text : decode_member(doc, item, STR("input")), true);
}

// The calls inside a wrapper: {"tool_uses":[{"recipient_name":"functions.NAME","parameters":{…}}]}. False: it is none.
static bool unwrap(struct responses_items *s, const struct json_doc *doc) {
  uint32_t uses = json_get(doc, 0, STR("tool_uses"));
  if (!json_is(doc, uses, JSON_ARRAY) || json_first(doc, uses) == JSON_NONE) return false;
  for (uint32_t u = json_first(doc, uses); u != JSON_NONE; u = json_next(doc, uses, u))
    if (!decode_member(doc, u, STR("recipient_name")).len) return false;
  for (uint32_t u = json_first(doc, uses); u != JSON_NONE; u = json_next(doc, uses, u)) {
    struct str name = decode_member(doc, u, STR("recipient_name"));
    if (str_starts(name, STR("functions."))) name = str_skip(name, 10);
    decode_give(s->sink, (struct event){.kind = EVENT_CALL, .call = s->calls, .name = name});
    if (!decode_give_arguments_json(s->sink, s->calls, doc, json_get(doc, u, STR("parameters")))) s->no_memory = true;
    decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls++});
  }
  return true;
}

static void wrapper_end(struct responses_items *s, struct responses_item *it, uint32_t item) {
  struct json_doc outer = {0}, inner = {0};
  struct arena arena = {0};
  struct buf quoted;
  struct str text;
  if (it->ended || s->no_memory) return;
  buf_init(&quoted, TEXT_MAX);
  buf_char(&quoted, '"');
  if (it->held) buf_str(&quoted, buf_view(&s->held));
  buf_char(&quoted, '"');
  s->no_memory |= quoted.failed;
  enum json_error error = quoted.failed ? JSON_NO_MEMORY : json_parse(&outer, buf_view(&quoted), 0);
  if (error == JSON_OK && json_string(&outer, 0, &arena, &text)) error = json_parse(&inner, text, 4);
  s->no_memory |= error == JSON_NO_MEMORY || arena.failed;
  if (error == JSON_OK && unwrap(s, &inner)) {
    it->ended = it->begun = true;
  } else {  // a function that happens to be called so
    it->kind = ITEM_CALL;
    call_begin(s, it, item, item == JSON_NONE ? STR("parallel") : decode_member(s->doc, item, STR("name")));
    if (it->held && it->begun) call_tell(s, it, buf_view(&s->held), false);
  }
  if (it->begun) it->held = false;  // else its name may still come
  json_doc_free(&outer);
  json_doc_free(&inner);
  arena_free(&arena);
  buf_free(&quoted);
}

static void wrapper_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  const struct json_doc *doc = s->doc;
  uint32_t arguments = json_get(doc, item, STR("arguments"));
  struct buf made = {0};
  struct str text = decode_inside(doc, arguments);
  if (json_is(doc, arguments, JSON_OBJECT)) text = as_inside(s, &made, json_raw(doc, arguments));
  if (text.len) call_tell(s, it, text, true);
  wrapper_end(s, it, item);
  buf_free(&made);
}

static void client_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  struct buf made = {0};
  if (it->ended) return;
  call_begin(s, it, item, client_tool(s->doc, item));
  struct str whole = as_inside(s, &made, json_raw(s->doc, item));
  told_add(&it->text, whole);
  decode_give_arguments(s->sink, it->call, whole);
  call_end(s, it);
  buf_free(&made);
}

// --- what the provider ran ---

static void image_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  struct str data = decode_member(s->doc, item, STR("result"));
  struct str format = decode_member(s->doc, item, STR("output_format"));
  if (it->ended || !data.len) return;
  it->ended = true;
  struct str type = str_eq(format, STR("webp"))   ? STR("image/webp")
                    : str_eq(format, STR("jpeg")) ? STR("image/jpeg")
                                                  : STR("image/png");
  decode_give(s->sink, (struct event){.kind = EVENT_IMAGE, .block = ++s->blocks, .name = type, .text = data});
}

static bool is_search(const struct json_doc *doc, uint32_t item) {
  struct str action = decode_member(doc, json_get(doc, item, STR("action")), STR("type"));
  return has_type(doc, item, "web_search_call") && (!action.len || str_eq(action, STR("search")));
}

// The item goes along whole, as its result: so it can be sent back.
static void server_done(struct responses_items *s, struct responses_item *it, uint32_t item) {
  static const char *const inputs[] = {"action", "arguments", "input", "queries", "code", "operation", "actions"};
  const struct json_doc *doc = s->doc;
  struct buf asked = {0}, made = {0};
  if (it->ended) return;
  it->ended = true;
  s->searches += is_search(doc, item);
  struct event event = {.kind = EVENT_SERVER_TOOL,
                        .block = ++s->blocks,
                        .id = decode_member(doc, item, STR("id")),
                        .name = decode_member(doc, item, STR("type")),
                        .arguments = STR("{}")};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    uint32_t input = json_get(doc, item, str_from_cstr(inputs[i]));
    if (json_type(doc, input) == JSON_NULL) continue;
    event.arguments =
        json_is(doc, input, JSON_STRING) ? decode_inside(doc, input) : as_inside(s, &asked, json_raw(doc, input));
    break;
  }
  if (str_eq(event.name, STR("custom_tool_call")))
    event.name = decode_member(doc, item, STR("name"));
  else if (str_ends(event.name, STR("_call")))
    event.name.len -= 5;
  event.text = as_inside(s, &made, json_raw(doc, item));
  if (!s->no_memory) decode_give(s->sink, event);
  buf_free(&asked);
  buf_free(&made);
}

// --- items ---

static void item_whole(struct responses_items *s, struct responses_item *it, uint32_t item) {
  note_kind(s, it, item);
  switch ((enum item_kind)it->kind) {
    case ITEM_MESSAGE: message_done(s, it, item); return;
    case ITEM_REASONING: reasoning_done(s, it, item); return;
    case ITEM_CALL:
    case ITEM_CUSTOM: call_done(s, it, item); return;
    case ITEM_WRAPPER: wrapper_done(s, it, item); return;
    case ITEM_CLIENT: client_done(s, it, item); return;
    case ITEM_SERVER: server_done(s, it, item); return;
    case ITEM_IMAGE: image_done(s, it, item); return;
    case ITEM_UNKNOWN: return;
  }
}

void responses_item_tell(struct responses_items *s, uint32_t event, enum responses_telling what, struct str text,
                         bool whole) {
  const struct json_doc *doc = s->doc;
  struct responses_item *it = item_of(s, event);
  bool summary = what == RESPONSES_SUMMARY;
  uint64_t part;
  if (!it) return;
  if (!json_u64(doc, json_get(doc, event, summary ? STR("summary_index") : STR("content_index")), UINT32_MAX, &part))
    part = it->part;
  if (what == RESPONSES_ARGUMENTS) {
    if (text.len) call_tell(s, it, text, whole);
  } else if (what == RESPONSES_TEXT || what == RESPONSES_REFUSAL) {
    uint32_t given = it->logprobs;
    message_tell(s, it, what, (uint32_t)part, text, whole);
    if (!whole) give_logprobs(s, it, json_get(doc, event, STR("logprobs")), &given);
  } else {
    reasoning_tell(s, it, what, (uint32_t)part, text, decode_member(doc, event, STR("item_id")), whole);
  }
}

void responses_item_annotation(struct responses_items *s, uint32_t event) {
  struct responses_item *it = item_of(s, event);
  uint32_t annotation = json_get(s->doc, event, STR("annotation"));
  if (!it || it->kind > ITEM_MESSAGE || !json_is(s->doc, annotation, JSON_OBJECT)) return;
  it->citations++;
  give_annotation(s, it, annotation, it->part_from);
}

void responses_item_added(struct responses_items *s, uint32_t event) {
  const struct json_doc *doc = s->doc;
  uint32_t item = json_get(doc, event, STR("item"));
  struct responses_item *it = item_of(s, event);
  if (!it) return;
  bool other = it->kind != ITEM_UNKNOWN && it->kind != kind_of(s, item);
  if (it->done || other) it = add(s, it->place);  // a careless service counts from 0 each time
  if (!it) return;
  note_kind(s, it, item);
  message_phase(s, it, item);
  if (it->kind == ITEM_CALL || it->kind == ITEM_CUSTOM) call_begin(s, it, item, decode_member(doc, item, STR("name")));
}

void responses_item_done(struct responses_items *s, uint32_t event) {
  uint32_t item = json_get(s->doc, event, STR("item"));
  struct responses_item *it = item_of(s, event);
  if (!it) return;
  enum item_kind kind = kind_of(s, item);
  if (it->done && it->kind != kind) it = add(s, it->place);
  if (!it) return;
  item_whole(s, it, item);
  it->done = true;
}

static void item_end(struct responses_items *s, struct responses_item *it) {
  if (it->kind == ITEM_WRAPPER) wrapper_end(s, it, JSON_NONE);
  if (it->kind == ITEM_CALL || it->kind == ITEM_CUSTOM) call_end(s, it);
}

// An item of the finished response among those that were told: the one at its place, if it is of the same kind, else
// the first of its kind that is left.
static struct responses_item *find_told(struct responses_items *s, uint32_t item, uint32_t place) {
  enum item_kind kind = kind_of(s, item);
  struct responses_item *found = NULL;
  for (uint32_t i = 0; i < s->count; i++) {
    struct responses_item *it = &s->items[i];
    bool same = it->kind == kind || (it->kind == ITEM_CALL && kind == ITEM_WRAPPER);
    if (it->settled || !same) continue;
    if (it->place == place) return it;
    if (!found) found = it;
  }
  return found;
}

void responses_items_end(struct responses_items *s, uint32_t output) {
  const struct json_doc *doc = s->doc;
  uint32_t place = 0;
  for (uint32_t o = json_is(doc, output, JSON_ARRAY) ? json_first(doc, output) : JSON_NONE; o != JSON_NONE;
       o = json_next(doc, output, o), place++) {
    struct responses_item *it = find_told(s, o, place);
    if (!it) it = add(s, place);
    if (!it) return;
    it->settled = true;
    item_whole(s, it, o);
    item_end(s, it);  // in a whole answer a call must be over before the next begins
  }
  for (uint32_t i = 0; i < s->count; i++) item_end(s, &s->items[i]);
}
