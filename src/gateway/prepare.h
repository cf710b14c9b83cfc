// What must be there before a provider can be asked in its own dialect: credentials that are fetched, and the pictures
// and files a client named by URL, where the provider takes only bytes.
#pragma once
#include "gateway/request.h"

enum prepare_result {
  PREPARE_READY,
  PREPARE_WAITING,  // attempt_prepared will be called
  PREPARE_FAILED,   // *note says why
};
enum prepare_result prepare(struct attempt *a, struct fault_note *note);
// The attempt is over, or goes another way.
void prepare_cancel(struct attempt *a);
