// What a request says about automatic choice: the plugin {"id":"auto-router", …} (also auto-beta-router), MAP 10.1.
#pragma once
#include "policy/auto.h"
#include "surface/openai_chat.h"

// What the plugin gives replaces what is in *wish; the rest stays. Without the plugin nothing changes. `pinned`: with
// pin_model, the model that the last assistant message says it is of; else empty. False: *note names the member and
// says what it must be. Strings point into the body or the arena.
MUST_CHECK bool auto_wish_read(const struct chat_request *r, struct arena *arena, struct auto_wish *wish,
                               struct str *pinned, struct fault_note *note);
