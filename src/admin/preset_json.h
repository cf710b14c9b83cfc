// Presets in OpenRouter's shapes (openapi: Preset, PresetDesignatedVersion, PresetWithDesignatedVersion), onto a
// buffer.
#pragma once
#include "base/buf.h"
#include "store/presets.h"

// {...}; with its newest version inside, unless that is NULL.
void preset_json(struct buf *out, const struct preset_row *row, const struct preset_version_row *designated);
void preset_version_json(struct buf *out, const struct preset_version_row *row);
