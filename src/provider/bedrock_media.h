// Pictures, documents, audio and video as Bedrock's blocks: bytes in base64, or a place in S3. Pure.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"

// Which of bedrock_models.h's kinds a part is; 0: it is text, or nothing to be shown.
unsigned bedrock_media_kind(const struct part *p);
// The documents of a request so far: no two of them may have one name.
enum { BEDROCK_NAMES = 64 };
struct bedrock_documents {
  unsigned count;
  struct str names[BEDROCK_NAMES];  // of the first; in the arena
};
// Appends the block, `{"image":{…}}`. False: refused, *t says why.
bool bedrock_media_block(const struct part *p, struct bedrock_documents *documents, struct translation *t,
                         struct buf *out);
