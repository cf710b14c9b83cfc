// What is settled before anybody is asked: a request's preset, where it may go (policy/plan.h), and what the variants
// of its model's name ask of its body.
#pragma once
#include "gateway/request.h"
#include "policy/plan.h"

// The parsed request with its preset merged in. False: *note says why not.
bool planning_preset(struct request *r, struct fault_note *note);
// What a target's name asks of the body, by its variants.
unsigned planning_variant(const struct inference *in, unsigned target);
// Makes the request what the variants of the target's name ask for; what was made of it for another is gone. False:
// *note says why.
bool planning_body(struct request *r, const struct endpoint *target, struct fault_note *note);
// Its targets, in order. False: *note says why there are none; in->plan may say more (availability_write).
bool planning_targets(struct request *r, struct fault_note *note);
// What plan_make asks for, of a request: for the path, and for those who only want to see the plan.
struct plan_query planning_query(struct request *r, const struct chat_request *chat);
