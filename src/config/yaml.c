// libfyaml's stream of events becomes our tree.
//
//   text > UTF-8 check > fy_parser events > stack of open nodes > tree in the arena
//
// The events are taken rather than libfyaml's own tree, because so depth, size and aliases are bounded while they are
// read, not after they were built.
#include "config/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>

#include "config/problem.h"
#include "json/utf8.h"

struct anchor {
  struct str name;
  struct yaml_node *node;
  struct anchor *next;
};

struct frame {
  struct yaml_node *node;
  struct yaml_node *key;  // of a map: waits for its value
  size_t total_before;
};

struct builder {
  struct arena *arena;
  struct config_problems *problems;
  struct str text;
  struct yaml_node *root;
  struct anchor *anchors;  // newest first
  size_t anchor_count;
  size_t total;  // nodes so far
  struct frame stack[YAML_DEPTH_MAX];
  size_t depth;
  bool failed;
};

static void fail(struct builder *b, const struct fy_mark *mark, const char *text) {
  if (!b->failed)
    config_problem_add(b->arena, b->problems, mark ? (unsigned)mark->line + 1 : 0,
                       mark ? (unsigned)mark->column + 1 : 0, "%s", text);
  b->failed = true;
}

static void fail_memory(struct builder *b) {
  fail(b, NULL, "out of memory");
}

// The offset of the first byte that is no UTF-8 or a NUL; text.len when all is well.
static size_t utf8_trouble(struct str text) {
  size_t i = 0;
  while (i < text.len) {
    unsigned char c = (unsigned char)text.ptr[i];
    unsigned n = c >= 0x80 ? utf8_length(text.ptr + i, text.ptr + text.len) : c != 0;
    if (!n) return i;
    i += n;
  }
  return i;
}

static bool check_utf8(struct builder *b, struct str text) {
  size_t at = utf8_trouble(text);
  if (at == text.len) return true;
  struct fy_mark mark = {0};
  for (size_t i = 0; i < at; i++) {
    if (text.ptr[i] == '\n') {
      mark.line++;
      mark.column = 0;
    } else if (((unsigned char)text.ptr[i] & 0xC0) != 0x80) {
      mark.column++;
    }
  }
  fail(b, &mark,
       text.ptr[at] ? "this is not UTF-8 text; save the file as UTF-8" : "a NUL byte: this is not a text file");
  return false;
}

static struct yaml_node *node_new(struct builder *b, enum yaml_type type, const struct fy_mark *mark) {
  if (++b->total > YAML_NODES_MAX) {
    fail(b, mark, "the file has too many parts (100,000, aliases counted each time)");
    return NULL;
  }
  struct yaml_node *node = arena_zalloc(b->arena, sizeof *node);
  if (!node) {
    fail_memory(b);
    return NULL;
  }
  node->type = type;
  node->size = 1;
  if (mark) {
    node->line = (unsigned)mark->line + 1;
    node->column = (unsigned)mark->column + 1;
  } else if (b->depth) {
    // A value that is not written down has the place of its key, or of what it stands in.
    const struct frame *top = &b->stack[b->depth - 1];
    const struct yaml_node *near = top->key ? top->key : top->node;
    node->line = near->line;
    node->column = near->column;
  }
  return node;
}

static bool push_pair(struct builder *b, struct yaml_node *to, struct yaml_pair pair) {
  if (to->count == to->cap) {
    size_t cap = to->cap ? to->cap * 2 : 8;
    struct yaml_pair *pairs = arena_alloc(b->arena, cap * sizeof *pairs);
    if (!pairs) {
      fail_memory(b);
      return false;
    }
    if (to->count) memcpy(pairs, to->pairs, to->count * sizeof *pairs);
    to->pairs = pairs;
    to->cap = cap;
  }
  to->pairs[to->count++] = pair;
  return true;
}

// Hangs a node into the innermost open one, as item, key or value.
static void attach(struct builder *b, struct yaml_node *node) {
  if (!b->depth) {
    b->root = node;
    return;
  }
  struct frame *top = &b->stack[b->depth - 1];
  if (top->node->type == YAML_LIST) {
    push_pair(b, top->node, (struct yaml_pair){.value = node});
  } else if (!top->key) {
    top->key = node;
  } else {
    if (top->key->type == YAML_SCALAR) {
      push_pair(b, top->node, (struct yaml_pair){.key = top->key, .value = node});
    } else {
      config_problem_add(b->arena, b->problems, top->key->line, top->key->column,
                         "a key must be a word; quote a value that begins with [ or {");
    }
    top->key = NULL;
  }
}

// libfyaml 0.7 puts the mark of a quoted scalar behind the opening quote, that of an alias behind the *. Nothing else
// can put such a character before them.
static struct fy_mark mark_before(const struct builder *b, const struct fy_mark *mark, char sign) {
  struct fy_mark at = mark ? *mark : (struct fy_mark){0};
  if (at.input_pos && at.input_pos <= b->text.len && at.column && b->text.ptr[at.input_pos - 1] == sign) at.column--;
  return at;
}

static struct str token_text(struct fy_token *token) {
  size_t len = 0;
  const char *text = token ? fy_token_get_text(token, &len) : NULL;
  return text ? str_from(text, len) : (struct str){0};
}

static void anchor_set(struct builder *b, struct fy_token *token, struct yaml_node *node) {
  if (!token || !node) return;
  if (++b->anchor_count > YAML_ANCHORS_MAX) {
    fail(b, fy_token_start_mark(token), "too many anchors (1,000)");
    return;
  }
  struct anchor *anchor = arena_alloc(b->arena, sizeof *anchor);
  struct str name = arena_str(b->arena, token_text(token));
  if (!anchor || !name.ptr) {
    fail_memory(b);
    return;
  }
  *anchor = (struct anchor){name, node, b->anchors};
  b->anchors = anchor;
}

static void on_alias(struct builder *b, struct fy_token *token, const struct fy_mark *behind) {
  struct fy_mark at = mark_before(b, behind, '*');
  struct str name = token_text(token);
  const struct anchor *anchor = b->anchors;
  while (anchor && !str_eq(anchor->name, name)) anchor = anchor->next;
  if (!anchor) {
    fail(b, &at, "this alias (*name) has no anchor (&name) above it; quote the value if the * belongs to it");
  } else if (anchor->node->open) {
    fail(b, &at, "this alias stands inside its own anchor");
  } else if (anchor->node->size > YAML_NODES_MAX - b->total) {
    fail(b, &at, "the file has too many parts (100,000, aliases counted each time)");
  } else {
    b->total += anchor->node->size;
    attach(b, anchor->node);
  }
}

static void on_scalar(struct builder *b, const struct fy_event *event, const struct fy_mark *mark) {
  struct fy_token *token = event->scalar.value;
  enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
  struct fy_mark quote;
  if (mark && (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)) {
    quote = mark_before(b, mark, style == FYSS_SINGLE_QUOTED ? '\'' : '"');
    mark = &quote;
  }
  struct yaml_node *node = node_new(b, YAML_SCALAR, mark);
  if (!node) return;
  node->plain = style == FYSS_PLAIN;
  node->text = arena_str(b->arena, token_text(token));
  if (!node->text.ptr) {
    fail_memory(b);
    return;
  }
  anchor_set(b, event->scalar.anchor, node);
  attach(b, node);
}

static void on_start(struct builder *b, enum yaml_type type, struct fy_token *anchor, const struct fy_mark *mark) {
  if (b->depth == YAML_DEPTH_MAX) {
    fail(b, mark, "nested too deeply (64 levels)");
    return;
  }
  size_t total_before = b->total;
  struct yaml_node *node = node_new(b, type, mark);
  if (!node) return;
  node->open = true;
  anchor_set(b, anchor, node);
  attach(b, node);
  b->stack[b->depth++] = (struct frame){.node = node, .total_before = total_before};
}

// Takes over the pairs of the map (or the list of maps) that stands at "<<".
static void merge(struct builder *b, struct yaml_node *map, const struct yaml_node *from) {
  if (from->type == YAML_LIST) {
    for (size_t i = 0; i < from->count && !b->failed; i++) {
      if (from->pairs[i].value->type != YAML_LIST) merge(b, map, from->pairs[i].value);
    }
  } else if (from->type == YAML_MAP) {
    for (size_t i = 0; i < from->count && !b->failed; i++) {
      b->total += from->pairs[i].value->size;
      if (b->total > YAML_NODES_MAX) {
        fail(b, NULL, "the file has too many parts (100,000, aliases and merges counted each time)");
      } else {
        push_pair(b, map, (struct yaml_pair){from->pairs[i].key, from->pairs[i].value, true});
      }
    }
  } else {
    config_problem_add(b->arena, b->problems, from->line, from->column, "<<: expects an alias of a mapping (*name)");
  }
}

static int compare_keys(const void *left, const void *right) {
  const struct yaml_pair *a = *(struct yaml_pair *const *)left, *b = *(struct yaml_pair *const *)right;
  size_t shorter = a->key->text.len < b->key->text.len ? a->key->text.len : b->key->text.len;
  int order = memcmp(a->key->text.ptr, b->key->text.ptr, shorter);
  if (order) return order;
  if (a->key->text.len != b->key->text.len) return a->key->text.len < b->key->text.len ? -1 : 1;
  return a < b ? -1 : a > b;  // merged ones stand behind the map's own
}

// Of equal keys the first stays. A second one is a problem, unless it was merged in.
static void drop_duplicates(struct builder *b, struct yaml_node *map) {
  struct yaml_pair **sorted = arena_alloc(b->arena, map->count * sizeof(struct yaml_pair *));
  if (!sorted) {
    fail_memory(b);
    return;
  }
  for (size_t i = 0; i < map->count; i++) sorted[i] = &map->pairs[i];
  qsort(sorted, map->count, sizeof *sorted, compare_keys);
  const struct yaml_pair *first = sorted[0];
  for (size_t i = 1; i < map->count; i++) {
    if (!str_eq(first->key->text, sorted[i]->key->text)) {
      first = sorted[i];
      continue;
    }
    if (!sorted[i]->merged)
      config_problem_add(b->arena, b->problems, sorted[i]->key->line, sorted[i]->key->column,
                         "'%.*s' is given twice; the first is at line %u",
                         STR_ARGS(problem_show(b->arena, first->key->text)), first->key->line);
    sorted[i]->value = NULL;
  }
  size_t kept = 0;
  for (size_t i = 0; i < map->count; i++) {
    if (map->pairs[i].value) map->pairs[kept++] = map->pairs[i];
  }
  map->count = kept;
}

static bool is_merge_key(const struct yaml_pair *pair) {
  return !pair->merged && pair->key->plain && str_eq(pair->key->text, STR("<<"));
}

static void finish_map(struct builder *b, struct yaml_node *map) {
  size_t own = map->count;
  for (size_t i = 0; i < own && !b->failed; i++) {
    if (is_merge_key(&map->pairs[i])) merge(b, map, map->pairs[i].value);
  }
  if (map->count > 1 && !b->failed) drop_duplicates(b, map);
  size_t kept = 0;
  for (size_t i = 0; i < map->count; i++) {
    if (!is_merge_key(&map->pairs[i])) map->pairs[kept++] = map->pairs[i];
  }
  map->count = kept;
}

static void on_end(struct builder *b) {
  struct frame *top = &b->stack[--b->depth];
  top->node->open = false;
  if (top->node->type == YAML_MAP) finish_map(b, top->node);
  top->node->size = b->total - top->total_before;
}

// True while more of the document is to come.
static bool on_event(struct builder *b, struct fy_event *event) {
  const struct fy_mark *mark = fy_event_start_mark(event);
  switch (event->type) {
    case FYET_MAPPING_START: on_start(b, YAML_MAP, event->mapping_start.anchor, mark); break;
    case FYET_SEQUENCE_START: on_start(b, YAML_LIST, event->sequence_start.anchor, mark); break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END: on_end(b); break;
    case FYET_SCALAR: on_scalar(b, event, mark); break;
    case FYET_ALIAS: on_alias(b, event->alias.anchor, mark); break;
    case FYET_DOCUMENT_END:
    case FYET_STREAM_END: return false;
    default: break;
  }
  return !b->failed;
}

// The line `number` (from 1) of the text.
static struct str line_of(struct str text, int number) {
  struct str line = {0};
  for (int i = 0; i < number; i++) {
    if (!str_split(&text, '\n', &line)) return (struct str){0};
  }
  return line;
}

static void report_syntax(struct builder *b, struct fy_diag *diag) {
  void *state = NULL;
  struct fy_diag_error *error;
  while ((error = fy_diag_errors_iterate(diag, &state))) {
    if (error->type != FYET_ERROR) continue;
    bool reference = str_find(line_of(b->text, error->line), STR("${"), 0) != SIZE_MAX;
    config_problem_add(b->arena, b->problems, error->line > 0 ? (unsigned)error->line : 0,
                       error->column > 0 ? (unsigned)error->column : 0, "not valid YAML: %s%s", error->msg,
                       reference ? "; between { } write \"${NAME}\" in quotes" : "");
    b->failed = true;
    return;
  }
  fail(b, NULL, "not valid YAML");
}

static void run(struct builder *b, struct fy_parser *parser, struct fy_diag *diag) {
  bool more = true;
  while (more) {
    struct fy_event *event = fy_parser_parse(parser);
    if (!event) break;
    more = on_event(b, event);
    fy_parser_event_free(parser, event);
  }
  // Without an event: the end, or an error. Without a document and without an error: no content.
  if (more && !b->failed) report_syntax(b, diag);
}

struct yaml_node *yaml_parse(struct arena *arena, struct str text, struct config_problems *problems) {
  if (str_starts(text, STR("\xEF\xBB\xBF"))) text = str_skip(text, 3);
  struct builder b = {.arena = arena, .problems = problems, .text = text};
  if (!check_utf8(&b, text)) return NULL;

  struct fy_diag_cfg diag_config;
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = NULL;
  diag_config.colorize = false;
  struct fy_diag *diag = fy_diag_create(&diag_config);
  if (diag) fy_diag_set_collect_errors(diag, true);
  struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE | FYPCF_DEFAULT_VERSION_1_2,
                                .diag = diag};
  struct fy_parser *parser = diag ? fy_parser_create(&config) : NULL;
  if (!parser || fy_parser_set_string(parser, text.len ? text.ptr : "\n", text.len ? text.len : 1)) {
    fail_memory(&b);
  } else {
    run(&b, parser, diag);
  }
  fy_parser_destroy(parser);
  fy_diag_destroy(diag);
  if (b.failed) return NULL;
  return b.root ? b.root : node_new(&b, YAML_SCALAR, &(struct fy_mark){0});
}

bool yaml_is_null(const struct yaml_node *node) {
  if (node->type != YAML_SCALAR || !node->plain) return node->type == YAML_SCALAR && !node->text.ptr;
  return !node->text.len || str_eq(node->text, STR("~")) || str_eq(node->text, STR("null")) ||
         str_eq(node->text, STR("Null")) || str_eq(node->text, STR("NULL"));
}

const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key) {
  if (map->type != YAML_MAP) return NULL;
  for (size_t i = 0; i < map->count; i++) {
    if (str_eq(map->pairs[i].key->text, key)) return map->pairs[i].value;
  }
  return NULL;
}

const char *yaml_type_name(const struct yaml_node *node) {
  switch (node->type) {
    case YAML_LIST: return "a list";
    case YAML_MAP: return "a mapping";
    default: return yaml_is_null(node) ? "nothing" : "a single value";
  }
}
