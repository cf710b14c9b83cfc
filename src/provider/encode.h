// Small things every encoder of a provider's dialect needs: members, arguments, limits, IDs, media.
// "Inside" means the inside of a JSON string, still escaped, see llm/conversation.h.
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "json/json.h"
#include "llm/conversation.h"

// `"key":"inside"`, `"key":"plain"` (escaped here), `"key":json`, each with a comma before it where one is due.
void encode_inside(struct buf *out, struct str key, struct str inside);
void encode_plain(struct buf *out, struct str key, struct str plain);
void encode_json(struct buf *out, struct str key, struct str json);
void encode_u64(struct buf *out, struct str key, uint64_t value);
// `"key":{`, `"key":[`; and `{` as an element of an array.
void encode_object(struct buf *out, struct str key);
void encode_array(struct buf *out, struct str key);
void encode_element(struct buf *out);

// Text as a part of a URL's path: percent-encoded but for letters, digits, "-._~" and `also`.
void encode_path(struct buf *out, struct str text, const char *also);

// A number the client gave, held between two bounds; what was held is noted. Nothing is written for an empty one.
void encode_number(struct buf *out, struct str key, struct str number, double min, double max, struct translation *t);
bool encode_number_is(struct str number, double value);

// Tool arguments as the JSON object that most dialects want: nothing and null become {}, text that is no object goes
// into {"input":"…"} rather than failing the conversation. False: out of memory.
bool encode_arguments(struct buf *out, struct str inside, struct arena *arena);
// An inside, decoded. False: out of memory, or half a surrogate pair.
bool encode_decode(struct str inside, struct arena *arena, struct str *out);
// Plain text as an inside. {NULL,0}: out of memory.
struct str encode_escape(struct str plain, struct arena *arena);
// Nothing but white space?
bool encode_is_blank(struct str inside);
// Without white space at the end.
struct str encode_trim_end(struct str inside);

// An ID in a provider's alphabet: ASCII letters and digits, `more`, at most `max` bytes. Another one becomes its hash,
// the same every time, `min` bytes long. {NULL,0}: out of memory.
struct encode_alphabet {
  const char *more;
  size_t min, max;
};
struct str encode_id(struct str id, struct encode_alphabet alphabet, struct arena *arena);

// The media type of base64 data by its first bytes, where they tell; else the declared one, in its usual spelling.
struct str encode_media_type(const struct part *part);
// `"key":"data:TYPE;base64,DATA"`, or the URL where there is one.
void encode_media_url(struct buf *out, struct str key, const struct part *part, struct arena *arena);
bool encode_media_is(const struct part *part, struct str prefix);
// Base64, both ways (RFC 4648, padding optional, white space skipped when decoding). {NULL,0}: damaged or no memory.
struct str encode_base64(struct str bytes, struct arena *arena);
struct str encode_unbase64(struct str text, struct arena *arena);
// A text file's characters as an inside; {NULL,0}: not UTF-8, or no memory.
struct str encode_text_file(const struct part *part, struct arena *arena);
// A file part of a kind that is text as an inside, below its name; {NULL,0}: it is none, or no memory.
struct str encode_file_as_text(const struct part *part, struct arena *arena);

// A picture, a file, sound or moving pictures?
bool encode_is_media(const struct part *part);
// Refuses pictures and files among the system's texts, for providers that take only text there.
bool encode_system_is_text(const struct conversation *c, struct translation *t);
// What a function takes, as a schema of an object: most providers want its type said.
struct str encode_parameters(struct str schema, struct translation *t);

// Parses a JSON text of the request; false: it is none, or memory is out, which is noted.
bool encode_parse(struct json_doc *doc, struct str text, unsigned depth, struct translation *t);
// Is this inside, decoded, the text of a JSON object? *object is it.
bool encode_is_object(struct str inside, struct translation *t, struct str *object);
// Is the request whole? The last question of every encoder: builders, arena and parsers remember what they could not
// do.
bool encode_done(const struct translation *t, const struct buf *out);
// What a client calls a member that only this provider knows, and what the provider does; NULL: the same;
// "": the dialect writes it by itself.
struct encode_native {
  const char *name, *native;
};
// Writes the members of the request that only this provider knows; all others are noted as lost.
void encode_extra(struct buf *out, const struct conversation *c, struct translation *t,
                  const struct encode_native *known, size_t count);
// The member of this name among them; NULL: not given.
const struct extra *encode_extra_find(const struct conversation *c, struct str name);
// What a dialect has no place for at all: noted as lost, where the client asked for it.
void encode_note_extra(const struct conversation *c, struct translation *t);
void encode_note_native_tools(const struct conversation *c, struct translation *t);
void encode_note_web_search(const struct conversation *c, struct translation *t);
void encode_note_logprobs(const struct conversation *c, struct translation *t);
// Must one function be called that is among the tools? (It may be a tool that only another provider knows.)
bool encode_names_function(const struct conversation *c);
