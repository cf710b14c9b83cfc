// Pictures, documents, audio and video as Bedrock's blocks: bytes in base64, or a place in S3. Pure.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"

// Which of bedrock_models.h's kinds a part is; 0: it is text, or nothing to be shown.
unsigned bedrock_media_kind(const struct part *p);
// Appends the block, `{"image":{…}}`. `documents`: those of the request so far, for their names: no two are alike.
// False: refused, *t says why.
bool bedrock_media_block(const struct part *p, unsigned *documents, struct translation *t, struct buf *out);
