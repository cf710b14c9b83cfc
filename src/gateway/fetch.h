// One HTTP request of the gateway's own, beside the path: a token, credentials, a picture named by its URL. Collects
// the whole reply, bounded in size and time.
#pragma once
#include "base/buf.h"
#include "gateway/worker.h"
#include "net/upstream.h"

struct fetch {
  // set by the caller, and alive until `done`
  struct worker *worker;
  void (*done)(struct fetch *f);
  size_t body_max;
  unsigned timeout_ms;
  // the reply
  unsigned status;                        // 0: none; `why` says why
  char content_type[96], location[1024];  // of a redirect, which is not followed here
  struct buf body;
  char why[160];  // for people
  // private
  struct exchange exchange;
  struct buf request;
  bool over;
};

// Starts it. `fields`: more header fields, each as "\r\nname: value"; `body` empty: a GET. False: no such URL, or no
// memory: f->why says it, and `done` is not called. `done` may come from within this call.
// `public_only`: private, loopback and link-local addresses are refused (a client named the URL).
bool fetch_start(struct fetch *f, struct str url, struct str fields, struct str body, bool public_only);
// Ends it without `done`, or frees what it holds after `done`.
void fetch_end(struct fetch *f);
