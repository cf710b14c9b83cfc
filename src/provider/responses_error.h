// What goes wrong at a service that speaks OpenAI's Responses: HTTP errors, and those inside a reply or stream.
#pragma once
#include "json/json.h"
#include "llm/event.h"

// The body of an HTTP error.
void responses_error(unsigned status, struct str body, struct decode_failure *failure);
// An error in a reply or stream with status 200: `error` is an object or a text of `holder`.
void responses_error_inside(const struct json_doc *doc, uint32_t holder, uint32_t error,
                            struct decode_failure *failure);
