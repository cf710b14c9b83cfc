// Tool calls. Clients of the strict kind need of each: an index that counts from 0, an id, the type, and arguments that
// are a string with JSON in it. Providers leave out any of these, begin to count at 1, give two calls the same index,
// repeat an id as "", or send the arguments as an object. A call that is as it should be is copied as it stands.
#include "surface/chat_shared.h"

static uint32_t hash(struct str s) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
  return h ? h : 1;
}

// `"call_…"`: an id of our own, unique within the conversation.
static void write_id(const struct chat_reply *reply, uint64_t choice, uint64_t index, struct buf *out) {
  struct str tail = reply->generation_id;
  if (tail.len > 20) tail = str_skip(tail, tail.len - 20);
  buf_lit(out, "\"call_");
  buf_str(out, tail);
  buf_char(out, '_');
  if (choice) {
    buf_u64(out, choice);
    buf_char(out, '_');
  }
  buf_u64(out, index);
  buf_char(out, '"');
}

// Arguments as a JSON string: text stays, an object becomes its text. `empty` stands for what has nothing in it.
static void write_arguments(const struct json_doc *doc, uint32_t arguments, struct str empty, struct buf *out) {
  if (chat_has_text(doc, arguments))
    buf_str(out, json_raw(doc, arguments));
  else if (json_is(doc, arguments, JSON_OBJECT) || json_is(doc, arguments, JSON_ARRAY))
    json_write_str(out, json_raw(doc, arguments));
  else
    buf_str(out, empty);
}

// The function object without empty or null members, its arguments a string. `empty`: what arguments without anything
// become; nothing at all when it is empty itself. `named`: its name has been told.
static void write_function(const struct json_doc *doc, uint32_t function, bool named, struct str empty,
                           struct buf *out) {
  uint32_t arguments = json_get(doc, function, STR("arguments"));
  buf_char(out, '{');
  for (uint32_t key = json_first(doc, function); key != JSON_NONE;) {
    uint32_t value = json_next(doc, function, key);
    bool nothing = json_type(doc, value) == JSON_NULL ||
                   (json_string_is(doc, key, STR("name")) && (named || !chat_has_text(doc, value)));
    if (!nothing && !json_string_is(doc, key, STR("arguments"))) chat_copy_member(doc, key, value, out);
    key = json_next(doc, function, value);
  }
  if (empty.len || json_type(doc, arguments) != JSON_NULL) {
    json_write_key(out, STR("arguments"));
    write_arguments(doc, arguments, empty.len ? empty : STR("\"\""), out);
  }
  buf_char(out, '}');
}

// The members of a call that we do not write ourselves.
static void copy_others(const struct json_doc *doc, uint32_t call, struct buf *out) {
  static const chat_word_set ours = CHAT_SET(INDEX) | CHAT_SET(ID) | CHAT_SET(TYPE) | CHAT_SET(FUNCTION);
  for (uint32_t key = json_first(doc, call); key != JSON_NONE;) {
    uint32_t value = json_next(doc, call, key);
    if (json_type(doc, value) != JSON_NULL && !chat_word_in(chat_word_of(doc, key), ours))
      chat_copy_member(doc, key, value, out);
    key = json_next(doc, call, value);
  }
}

// --- whole messages ---

static bool is_good(const struct json_doc *doc, uint32_t call) {
  uint32_t function = json_get(doc, call, STR("function"));
  bool function_good = json_is(doc, function, JSON_OBJECT)
                           ? chat_has_text(doc, json_get(doc, function, STR("arguments")))
                           : function == JSON_NONE;
  return function_good && chat_has_text(doc, json_get(doc, call, STR("id"))) &&
         chat_has_text(doc, json_get(doc, call, STR("type")));
}

void chat_calls_whole(const struct chat_reply *reply, const struct json_doc *doc, uint32_t calls, struct buf *out) {
  uint64_t n = 0;
  buf_lit(out, "\"tool_calls\":[");
  for (uint32_t call = json_first(doc, calls); call != JSON_NONE; call = json_next(doc, calls, call)) {
    if (!json_is(doc, call, JSON_OBJECT)) continue;
    if (n) buf_char(out, ',');
    uint32_t id = json_get(doc, call, STR("id")), type = json_get(doc, call, STR("type"));
    uint32_t function = json_get(doc, call, STR("function"));
    if (is_good(doc, call)) {
      buf_str(out, json_raw(doc, call));
    } else {
      buf_lit(out, "{\"id\":");
      if (chat_has_text(doc, id))
        buf_str(out, json_raw(doc, id));
      else
        write_id(reply, 0, n, out);
      buf_lit(out, ",\"type\":");
      buf_str(out, chat_has_text(doc, type) ? json_raw(doc, type) : STR("\"function\""));
      copy_others(doc, call, out);
      if (json_is(doc, function, JSON_OBJECT)) {
        buf_lit(out, ",\"function\":");
        write_function(doc, function, false, STR("\"{}\""), out);
      }
      buf_char(out, '}');
    }
    n++;
  }
  buf_char(out, ']');
}

// --- streams ---

bool chat_calls_any(const struct chat_calls *known, uint64_t choice) {
  for (unsigned i = 0; i < known->count; i++)
    if (known->items[i].choice == choice) return true;
  return false;
}

static uint64_t index_of(const struct chat_calls *known, const struct chat_call *call) {
  uint64_t n = 0;
  for (const struct chat_call *c = known->items; c < call; c++) n += c->choice == call->choice;
  return n;
}

// The call a piece goes on with, or NULL when it begins one. Without an index the id tells, and without both the piece
// belongs to the newest call.
static struct chat_call *find(struct chat_calls *known, uint64_t choice, bool indexed, uint64_t index, uint32_t id,
                              bool named) {
  for (unsigned i = known->count; i-- > 0;) {
    struct chat_call *c = &known->items[i];
    if (c->choice != choice) continue;
    if (!indexed && (!id || c->id_hash == id)) return c;
    if (!indexed || c->index != index) continue;
    // The same index under another id and name is another call all the same.
    return named && id && c->id_hash && c->id_hash != id ? NULL : c;
  }
  return NULL;
}

static struct chat_call *begin(struct chat_calls *known, uint64_t choice, uint64_t index, uint32_t id) {
  if (known->count == CHAT_CALLS_MAX || choice > UINT8_MAX || index > UINT8_MAX) return NULL;
  struct chat_call *c = &known->items[known->count++];
  *c = (struct chat_call){.id_hash = id, .choice = (uint8_t)choice, .index = (uint8_t)index};
  return c;
}

// One piece of one call, on its way through.
struct piece {
  const struct json_doc *doc;
  uint32_t call, id, type, function, arguments;
  bool indexed;
  uint64_t index;      // the provider's, or the place in the array
  uint64_t index_out;  // ours
  bool first;          // it begins the call
  bool again;          // it goes on with one that has its id and type
  bool named;          // and its name
};

static struct piece piece_read(const struct json_doc *doc, uint32_t call, uint64_t position) {
  struct piece p = {.doc = doc,
                    .call = call,
                    .id = json_get(doc, call, STR("id")),
                    .type = json_get(doc, call, STR("type")),
                    .function = json_get(doc, call, STR("function"))};
  p.arguments = json_get(doc, p.function, STR("arguments"));
  p.indexed = json_u64(doc, json_get(doc, call, STR("index")), UINT32_MAX, &p.index);
  if (!p.indexed) p.index = position;
  return p;
}

// May the piece be copied as it stands?
static bool piece_is_good(const struct piece *p) {
  const struct json_doc *doc = p->doc;
  if (!p->indexed || p->index != p->index_out) return false;
  if (p->first && !(chat_has_text(doc, p->id) && chat_has_text(doc, p->type))) return false;
  if ((p->id != JSON_NONE && !chat_has_text(doc, p->id)) || (p->type != JSON_NONE && !chat_has_text(doc, p->type)))
    return false;
  if (p->again && (p->id != JSON_NONE || p->type != JSON_NONE)) return false;
  if (p->function == JSON_NONE) return true;
  uint32_t name = json_get(doc, p->function, STR("name"));
  if (p->named && name != JSON_NONE) return false;
  return json_is(doc, p->function, JSON_OBJECT) && (name == JSON_NONE || chat_has_text(doc, name)) &&
         (p->arguments == JSON_NONE || json_is(doc, p->arguments, JSON_STRING));
}

static void piece_write(const struct piece *p, const struct chat_reply *reply, uint64_t choice, struct buf *out) {
  if (piece_is_good(p)) {
    buf_str(out, json_raw(p->doc, p->call));
    return;
  }
  buf_lit(out, "{\"index\":");
  buf_u64(out, p->index_out);
  if ((chat_has_text(p->doc, p->id) && !p->again) || p->first) {
    buf_lit(out, ",\"id\":");
    if (chat_has_text(p->doc, p->id))
      buf_str(out, json_raw(p->doc, p->id));
    else
      write_id(reply, choice, p->index_out, out);
  }
  if ((chat_has_text(p->doc, p->type) && !p->again) || p->first) {
    buf_lit(out, ",\"type\":");
    buf_str(out, chat_has_text(p->doc, p->type) ? json_raw(p->doc, p->type) : STR("\"function\""));
  }
  copy_others(p->doc, p->call, out);
  if (json_is(p->doc, p->function, JSON_OBJECT)) {
    buf_lit(out, ",\"function\":");
    write_function(p->doc, p->function, p->named, (struct str){0}, out);
  }
  buf_char(out, '}');
}

static void separate(struct buf *out, bool first) {
  if (!first)
    buf_char(out, ',');
  else if (out->len && out->ptr[out->len - 1] != '{')
    buf_lit(out, ",\"tool_calls\":[");
  else
    buf_lit(out, "\"tool_calls\":[");
}

// Calls of the choice that have no arguments yet get "{}": the text clients parse must be JSON.
static unsigned write_missing(struct chat_calls *known, uint64_t choice, unsigned n, struct buf *out) {
  for (unsigned i = 0; i < known->count; i++) {
    struct chat_call *c = &known->items[i];
    if (c->choice != choice || !c->function || c->has_arguments) continue;
    separate(out, n++ == 0);
    buf_lit(out, "{\"index\":");
    buf_u64(out, index_of(known, c));
    buf_lit(out, ",\"function\":{\"arguments\":\"{}\"}}");
    c->has_arguments = true;
  }
  return n;
}

struct chat_pieces chat_calls_piece(struct chat_calls *known, const struct chat_reply *reply, uint64_t choice,
                                    const struct json_doc *doc, uint32_t calls, bool end, struct buf *out) {
  struct chat_pieces found = {.arguments = JSON_NONE};
  unsigned n = 0;
  for (uint32_t call = json_first(doc, calls); call != JSON_NONE; call = json_next(doc, calls, call)) {
    if (!json_is(doc, call, JSON_OBJECT)) continue;
    struct piece p = piece_read(doc, call, n);
    uint32_t id = chat_has_text(doc, p.id) ? hash(chat_inside(doc, p.id)) : 0;
    bool named = chat_has_text(doc, json_get(doc, p.function, STR("name")));
    struct chat_call *c = find(known, choice, p.indexed, p.index, id, named);
    if (!c && (c = begin(known, choice, p.index, id))) found.began = p.first = true;
    p.index_out = c ? index_of(known, c) : p.index;
    p.again = c && !p.first;
    p.named = c && c->named;
    separate(out, n++ == 0);
    piece_write(&p, reply, choice, out);
    if (!c) continue;
    c->function |= json_is(doc, p.function, JSON_OBJECT);
    c->named |= named;
    c->has_arguments |= chat_has_text(doc, p.arguments) || json_is(doc, p.arguments, JSON_OBJECT);
    // The text of the arguments is found again from behind: what stands behind it in the piece was copied with it.
    bool only = n == 1 && piece_is_good(&p) && chat_has_text(doc, p.arguments) && !out->failed;
    found.arguments = only ? p.arguments : JSON_NONE;
    if (only) found.arguments_at = out->len - (doc->nodes[call].end - doc->nodes[p.arguments].start) + 1;
  }
  if (found.began) found.arguments = JSON_NONE;
  if (end) n = write_missing(known, choice, n, out);
  if (n) buf_char(out, ']');
  return found;
}
