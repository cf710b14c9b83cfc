// Routes of presets: /presets ... All ask the store, on its thread; what they change, every loop sees before they
// answer.
#pragma once
#include "gateway/request.h"

void handle_presets_list(struct request *r);
void handle_presets_get(struct request *r);
void handle_presets_versions(struct request *r);
void handle_presets_version(struct request *r);
void handle_presets_chat(struct request *r);  // makes a preset, or a version of one, of a request's body
void handle_presets_update(struct request *r);
void handle_presets_delete(struct request *r);
