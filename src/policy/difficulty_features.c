// One pass over the bytes. Letters and everything beyond ASCII make words, digits make numbers, the rest is counted.
//   text > parts (head, tail) > tokens (word, number, mark) > the stem or one option
#include "policy/difficulty_features.h"

#include <math.h>

// Open addressing by the hash of the word; an empty slot has the hash 0.
struct group_word {
  uint32_t hash;
  uint8_t group;
};
enum { GROUP_SLOTS = 1024 };
#include "policy/difficulty_words.inc"

enum { OPTIONS = 8, STEM_SETS = 16, OPTION_SETS = 4 };

struct option {
  uint64_t words[OPTION_SETS];  // a set by hash
  uint32_t length;
  bool digit, capital, stop;
};
struct reading {
  uint32_t counts[DIFFICULTY_FEATURES];
  uint64_t words[STEM_SETS], stem[STEM_SETS], numbers, names;
  struct option options[OPTIONS];
  unsigned option_count;  // of them the last is being read; 0: the stem
  uint32_t letters, long_words, short_words, stem_read;
  uint32_t sentence_words, sentence_quantities;  // of the sentence being read
  char last_mark;                                // the last byte that is no blank
  char stem_end;                                 // the same at the end of the stem
  bool fresh;                                    // a sentence begins here
  bool closed;                                   // behind the last option
};

enum kind { BLANK, LETTER, DIGIT, MARK };
static enum kind kind_of(unsigned char c) {
  if ((c | 32) >= 'a' && (c | 32) <= 'z') return LETTER;
  if (c >= 0x80) return LETTER;
  if (c >= '0' && c <= '9') return DIGIT;
  return c <= ' ' || c == 0x7f ? BLANK : MARK;
}
static bool is_upper(unsigned char c) {
  return c >= 'A' && c <= 'Z';
}
static void set_add(uint64_t *set, uint32_t sets, uint32_t hash) {
  uint32_t bit = (hash ^ hash >> 15) & (sets * 64 - 1);
  set[bit / 64] |= (uint64_t)1 << bit % 64;
}
static unsigned set_size(const uint64_t *set, unsigned sets) {
  unsigned n = 0;
  for (unsigned i = 0; i < sets; i++) n += (unsigned)__builtin_popcountll(set[i]);
  return n;
}
static uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ h >> 16;
}

// A word or a number, as its hash.
static void take_token(struct reading *r, uint32_t hash) {
  set_add(r->words, STEM_SETS, hash);
  if (r->option_count == 0)
    set_add(r->stem, STEM_SETS, hash);
  else if (!r->closed)
    set_add(r->options[r->option_count - 1].words, OPTION_SETS, hash);
}

static void count_group(struct reading *r, uint32_t hash) {
  for (uint32_t at = hash % GROUP_SLOTS; group_words[at].hash; at = (at + 1) % GROUP_SLOTS)
    if (group_words[at].hash == hash) {
      unsigned group = group_words[at].group;
      r->counts[group]++;
      r->sentence_quantities += group == DIFFICULTY_number || group == DIFFICULTY_one || group == DIFFICULTY_parts;
      return;
    }
}
static void end_sentence(struct reading *r) {
  uint32_t words = r->sentence_words, quantities = r->sentence_quantities, *c = r->counts;
  r->sentence_words = r->sentence_quantities = 0;
  if (words + quantities == 0 || r->option_count > 0) return;
  c[quantities > 0 ? DIFFICULTY_sentences_counting : DIFFICULTY_sentences_plain]++;
  c[DIFFICULTY_sentences_dense] += quantities > 1;
  if (words > c[DIFFICULTY_sentence_longest]) c[DIFFICULTY_sentence_longest] = words;
  c[DIFFICULTY_last_words] = words;
  c[DIFFICULTY_last_quantities] = quantities;
}
static bool ends_in(const char *word, size_t len, const char *end, size_t end_len) {
  return len > end_len + 1 && memcmp(word + len - end_len, end, end_len) == 0;
}

// Returns where the word ends. An apostrophe between two letters belongs to it.
static size_t read_word(struct reading *r, struct str text, size_t at) {
  uint32_t hash = 2166136261u, plain = 0;  // plain: of what is before an apostrophe
  size_t from = at, upper = 0;
  for (; at < text.len; at++) {
    unsigned char c = (unsigned char)text.ptr[at];
    if (!plain && (c == '\'' || c >= 0x80)) plain = hash;
    if (c == '\'' && at + 1 < text.len && kind_of((unsigned char)text.ptr[at + 1]) == LETTER)
      r->counts[DIFFICULTY_apostrophes]++;
    else if (kind_of(c) != LETTER)
      break;
    upper += is_upper(c);
    if (c >= 0x80) r->counts[DIFFICULTY_beyond_ascii]++;
    hash = (hash ^ (is_upper(c) ? c | 32u : c)) * 16777619u;
  }
  size_t len = at - from;
  bool capital = is_upper((unsigned char)text.ptr[from]);
  r->counts[DIFFICULTY_words]++;
  if (r->option_count == 0) r->counts[DIFFICULTY_stem_words]++;
  if (capital) r->counts[DIFFICULTY_capitals]++;
  if (capital && !r->fresh && len > 1) {
    r->counts[DIFFICULTY_names]++;
    set_add(&r->names, 1, mix(plain ? plain : hash));
  }
  r->sentence_words++;
  if (upper == len && len > 1) r->counts[DIFFICULTY_upper_words]++;
  if (ends_in(text.ptr + from, len, "ed", 2)) r->counts[DIFFICULTY_past]++;
  if (ends_in(text.ptr + from, len, "ing", 3)) r->counts[DIFFICULTY_ing]++;
  r->letters += (uint32_t)len;
  r->long_words += len >= 9;
  r->short_words += len <= 3;
  r->fresh = false;
  hash += hash == 0;
  count_group(r, hash);
  take_token(r, hash);
  return at;
}

// `from` to `to` is a number of so many digits.
static void count_digits(struct reading *r, const char *from, const char *to, uint32_t digits) {
  uint32_t *c = r->counts, significant = digits;
  c[DIFFICULTY_round_numbers] += to[-1] == '0';
  c[DIFFICULTY_large_numbers] += digits > 2;
  c[DIFFICULTY_ones] += digits == 1 && *from == '1';
  for (; from < to && (*from == '0' || kind_of((unsigned char)*from) != DIGIT); from++) significant -= *from == '0';
  for (; to > from && (to[-1] == '0' || kind_of((unsigned char)to[-1]) != DIGIT); to--) significant -= to[-1] == '0';
  c[DIFFICULTY_significant_digits] += significant;
  c[DIFFICULTY_long_numbers] += significant > 1;
  if (significant > c[DIFFICULTY_significant_most]) c[DIFFICULTY_significant_most] = significant;
}

// Digits with points and commas between them.
static size_t read_number(struct reading *r, struct str text, size_t at) {
  uint32_t hash = 2166136261u, digits = 0;
  size_t from = at;
  for (; at < text.len; at++) {
    unsigned char c = (unsigned char)text.ptr[at];
    bool inner = (c == '.' || c == ',') && at + 1 < text.len && kind_of((unsigned char)text.ptr[at + 1]) == DIGIT;
    if (kind_of(c) != DIGIT && !inner) break;
    if (c == '.') r->counts[DIFFICULTY_decimals]++;
    digits += !inner;
    hash = (hash ^ c) * 16777619u;
  }
  r->counts[DIFFICULTY_numbers]++;
  r->counts[DIFFICULTY_digits] += digits;
  if (digits > r->counts[DIFFICULTY_longest_number]) r->counts[DIFFICULTY_longest_number] = digits;
  count_digits(r, text.ptr + from, text.ptr + at, digits);
  r->sentence_quantities++;
  set_add(&r->numbers, 1, mix(hash));
  if (r->option_count && !r->closed) r->options[r->option_count - 1].digit = true;
  if (at + 1 < text.len && text.ptr[at] == '/' && kind_of((unsigned char)text.ptr[at + 1]) == DIGIT)
    r->counts[DIFFICULTY_fractions]++;
  take_token(r, 0x9e3779b9u + (digits > 4 ? 4 : digits));  // all numbers of a length are one word
  r->fresh = false;
  return at;
}

static const uint8_t mark_features[128] = {
    ['+'] = DIFFICULTY_operators,   ['*'] = DIFFICULTY_operators,    ['/'] = DIFFICULTY_operators,
    ['='] = DIFFICULTY_operators,   ['<'] = DIFFICULTY_operators,    ['>'] = DIFFICULTY_operators,
    ['^'] = DIFFICULTY_operators,   ['('] = DIFFICULTY_parentheses,  ['['] = DIFFICULTY_brackets,
    ['{'] = DIFFICULTY_brackets,    ['\\'] = DIFFICULTY_brackets,    [','] = DIFFICULTY_commas,
    [';'] = DIFFICULTY_semicolons,  [':'] = DIFFICULTY_colons,       ['"'] = DIFFICULTY_quotes,
    ['?'] = DIFFICULTY_questions,   ['\''] = DIFFICULTY_apostrophes, ['-'] = DIFFICULTY_hyphens,
    ['_'] = DIFFICULTY_underscores, ['|'] = DIFFICULTY_bars,         ['%'] = DIFFICULTY_percents,
    ['$'] = DIFFICULTY_dollars,     ['`'] = DIFFICULTY_fences,
};
static void read_mark(struct reading *r, struct str text, size_t at) {
  unsigned char c = (unsigned char)text.ptr[at];
  if (mark_features[c]) r->counts[mark_features[c]]++;
  if (c != '.' && c != '!' && c != '?') return;
  if (at + 1 < text.len && kind_of((unsigned char)text.ptr[at + 1]) != BLANK) return;
  r->fresh = true;
  end_sentence(r);
  if (r->option_count == 0) r->counts[DIFFICULTY_sentences]++;
}

static void end_part(struct reading *r) {
  end_sentence(r);
  if (r->option_count == 0)
    r->stem_end = r->last_mark;
  else if (!r->closed)
    r->options[r->option_count - 1].stop = r->last_mark == '.';
}
// Behind a newline: does the next option begin? Then returns where its text does.
static size_t read_line_start(struct reading *r, struct str text, size_t at) {
  r->counts[DIFFICULTY_newlines]++;
  r->fresh = true;
  end_sentence(r);
  struct str rest = str_skip(text, at);
  if (str_starts(rest, STR("Answer:"))) {
    end_part(r);
    r->closed = r->option_count > 0;
    return at;
  }
  bool option = rest.len >= 3 && rest.ptr[0] == (char)('A' + r->option_count) && r->option_count < OPTIONS &&
                (rest.ptr[1] == '.' || rest.ptr[1] == ')') && rest.ptr[2] == ' ';
  if (!option) return at;
  end_part(r);
  r->closed = false;
  struct option *o = &r->options[r->option_count++];
  o->capital = rest.len > 3 && is_upper((unsigned char)rest.ptr[3]);
  return at + 3;
}

static void read_part(struct reading *r, struct str text) {
  for (size_t at = 0; at < text.len;) {
    size_t from = at;
    unsigned char c = (unsigned char)text.ptr[at];
    switch (kind_of(c)) {
      case LETTER: at = read_word(r, text, at); break;
      case DIGIT: at = read_number(r, text, at); break;
      case MARK: read_mark(r, text, at++); break;
      case BLANK: at = c == '\n' ? read_line_start(r, text, at + 1) : at + 1; break;
    }
    if (r->option_count == 0)
      r->stem_read += (uint32_t)(at - from);
    else if (!r->closed)
      r->options[r->option_count - 1].length += (uint32_t)(at - from);
    if (kind_of(c) != BLANK) r->last_mark = text.ptr[at - 1];
  }
}

static float overlap(const uint64_t *a, const uint64_t *b) {
  unsigned both = 0, any = 0;
  for (unsigned i = 0; i < OPTION_SETS; i++) {
    both += (unsigned)__builtin_popcountll(a[i] & b[i]);
    any += (unsigned)__builtin_popcountll(a[i] | b[i]);
  }
  return (float)both / (float)(1 + any);
}
// How much the options are alike, and how much of each is in the stem.
static void compare_options(const struct reading *r, float *v) {
  float most = 0, sum = 0, stem_sum = 0, stem_least = 1, stem_most = 0;
  uint64_t stem[OPTION_SETS] = {0};
  // The low bits of a hash choose the place in either set: fold the larger onto the smaller.
  for (unsigned i = 0; i < STEM_SETS; i++) stem[i % OPTION_SETS] |= r->stem[i];
  for (unsigned i = 0; i < r->option_count; i++) {
    const uint64_t *words = r->options[i].words;
    for (unsigned j = 0; j < i; j++) {
      float o = overlap(words, r->options[j].words);
      sum += o;
      most = o > most ? o : most;
    }
    unsigned in_stem = 0;
    for (unsigned k = 0; k < OPTION_SETS; k++) in_stem += (unsigned)__builtin_popcountll(words[k] & stem[k]);
    float share = (float)in_stem / (float)(1 + set_size(words, OPTION_SETS));
    stem_sum += share;
    stem_least = share < stem_least ? share : stem_least;
    stem_most = share > stem_most ? share : stem_most;
  }
  float n = (float)r->option_count;
  v[DIFFICULTY_option_overlap] = sum / (n * (n - 1) / 2);
  v[DIFFICULTY_option_overlap_most] = most;
  v[DIFFICULTY_stem_overlap] = stem_sum / n;
  v[DIFFICULTY_stem_overlap_spread] = stem_most - stem_least;
}
static void describe_options(const struct reading *r, float *v) {
  float n = (float)r->option_count, sum = 0, longest = 0, shortest = 1e9f;
  for (unsigned i = 0; i < r->option_count; i++) {
    const struct option *o = &r->options[i];
    float length = (float)o->length;
    sum += length;
    longest = length > longest ? length : longest;
    shortest = length < shortest ? length : shortest;
    v[DIFFICULTY_option_numbers] += o->digit;
    v[DIFFICULTY_option_stops] += o->stop;
    v[DIFFICULTY_option_capitals] += o->capital;
  }
  float last = (float)r->options[r->option_count - 1].length;
  v[DIFFICULTY_options] = n;
  v[DIFFICULTY_option_longest] = log1pf(longest);
  v[DIFFICULTY_option_shortest] = log1pf(shortest);
  v[DIFFICULTY_option_mean] = log1pf(sum / n);
  v[DIFFICULTY_option_spread] = log1pf(longest - shortest);
  v[DIFFICULTY_option_last] = last / (1 + (sum - last) / (n - 1));
  compare_options(r, v);
}

// Sums of what is counted apart.
static void combine(struct reading *r) {
  uint32_t *c = r->counts;
  c[DIFFICULTY_different_names] = set_size(&r->names, 1);
  c[DIFFICULTY_repeated_numbers] = c[DIFFICULTY_numbers] - set_size(&r->numbers, 1);
  c[DIFFICULTY_quantities] = c[DIFFICULTY_numbers] + c[DIFFICULTY_number] + c[DIFFICULTY_parts];
  c[DIFFICULTY_quantities_ones] = c[DIFFICULTY_quantities] + c[DIFFICULTY_one];
  c[DIFFICULTY_clauses] = c[DIFFICULTY_commas] + c[DIFFICULTY_conjunction] + c[DIFFICULTY_sentences] +
                          c[DIFFICULTY_order] + c[DIFFICULTY_condition] + c[DIFFICULTY_contrast];
  c[DIFFICULTY_relations] =
      c[DIFFICULTY_times] + c[DIFFICULTY_than] + c[DIFFICULTY_parts] + c[DIFFICULTY_percents] + c[DIFFICULTY_fractions];
  c[DIFFICULTY_persons] = c[DIFFICULTY_different_names] + c[DIFFICULTY_third];
  c[DIFFICULTY_operations] = c[DIFFICULTY_relations] + c[DIFFICULTY_each] + c[DIFFICULTY_rest] + c[DIFFICULTY_total] +
                             c[DIFFICULTY_compare] + c[DIFFICULTY_average];
  c[DIFFICULTY_comparisons] = c[DIFFICULTY_than] + c[DIFFICULTY_compare];
  c[DIFFICULTY_quantities_relations] = c[DIFFICULTY_quantities] + c[DIFFICULTY_relations];
}

static void finish(struct reading *r, struct str text, float *v) {
  uint32_t *c = r->counts;
  float words = (float)c[DIFFICULTY_words], all = 1 + words;
  for (unsigned i = 0; i < DIFFICULTY_FEATURES; i++) v[i] = log1pf((float)c[i]);
  float length = log1pf((float)text.len);
  v[DIFFICULTY_length] = length;
  v[DIFFICULTY_stem_length] = r->option_count ? log1pf((float)r->stem_read) : length;
  v[DIFFICULTY_sentence_words] = log1pf((float)c[DIFFICULTY_stem_words] / (float)(1 + c[DIFFICULTY_sentences]));
  v[DIFFICULTY_different_numbers] = (float)__builtin_popcountll(r->numbers);
  v[DIFFICULTY_capital_share] = (float)c[DIFFICULTY_capitals] / all;
  v[DIFFICULTY_word_length] = (float)r->letters / all;
  v[DIFFICULTY_long_share] = (float)r->long_words / all;
  v[DIFFICULTY_short_share] = (float)r->short_words / all;
  float different = (float)set_size(r->words, STEM_SETS);
  v[DIFFICULTY_different_words] = log1pf(different);
  v[DIFFICULTY_different_share] = different / (all + (float)c[DIFFICULTY_numbers]);
  char end = r->option_count ? r->stem_end : r->last_mark;
  v[DIFFICULTY_ends_question] = end == '?';
  v[DIFFICULTY_ends_stop] = end == '.';
  v[DIFFICULTY_ends_colon] = end == ':';
  v[DIFFICULTY_begins_lower] = text.len > 0 && text.ptr[0] >= 'a' && text.ptr[0] <= 'z';
  if (r->option_count > 1) describe_options(r, v);
}

void difficulty_read(struct str text, struct difficulty_features *out) {
  struct reading r = {.fresh = true};
  *out = (struct difficulty_features){0};
  if (text.len <= DIFFICULTY_HEAD + DIFFICULTY_TAIL) {
    read_part(&r, text);
  } else {
    read_part(&r, str_from(text.ptr, DIFFICULTY_HEAD));
    r.fresh = true;
    read_part(&r, str_from(text.ptr + text.len - DIFFICULTY_TAIL, DIFFICULTY_TAIL));
  }
  end_part(&r);
  combine(&r);
  finish(&r, text, out->values);
}
