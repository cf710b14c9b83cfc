// Gemini generateContent (AI Studio and Vertex), the provider's side: requests.
// Source: https://ai.google.dev/api/generate-content and the Vertex AI reference of the same name.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

// The path behind base_url: "/models/{model}:generateContent", or its streaming twin.
void gemini_path(const struct endpoint *e, bool stream, struct buf *out);
// Header fields that Vertex wants: how urgent the request is, and whose quota it uses.
void gemini_vertex_fields(const struct conversation *c, const struct endpoint *e, struct buf *out);
// Appends the body; `vertex`: for that host. False: *t says why not, or memory is out.
bool gemini_request(const struct conversation *c, const struct endpoint *e, bool vertex, struct translation *t,
                    struct buf *out);
