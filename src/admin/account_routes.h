// Routes about keys and what they spent: GET /key, /keys ..., /generation. All ask the store, on its thread.
#pragma once
#include "gateway/request.h"

void handle_key(struct request *r);
void handle_generation(struct request *r);
void handle_keys_list(struct request *r);
void handle_keys_create(struct request *r);
void handle_keys_get(struct request *r);
void handle_keys_update(struct request *r);
void handle_keys_delete(struct request *r);

// "%2F" and the like undone, in the arena; what is no escape stays. (Also used for model ids.)
struct str percent_decode(struct arena *arena, struct str text);
// A member of a query string "a=1&b=2", percent-decoded; {NULL,0} when absent.
struct str query_get(struct arena *arena, struct str query, struct str name);
