// HMAC by hand (RFC 2104) over EVP digests: OpenSSL's own HMAC would fetch and key itself anew for every call, which
// costs several times the two hash blocks a key really needs. The contexts `inner` and `outer` are never changed after
// key_hasher_new; each hash copies them into `scratch`.
#include "store/keyhash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 64 };  // of SHA-256

struct key_hasher {
  EVP_MD *md;
  EVP_MD_CTX *inner, *outer, *scratch;
};

static bool keyed(EVP_MD_CTX *ctx, const EVP_MD *md, const uint8_t pepper[32], uint8_t pad) {
  uint8_t block[BLOCK];
  memset(block, pad, sizeof block);
  for (int i = 0; i < 32; i++) block[i] ^= pepper[i];
  bool ok = EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, block, sizeof block) == 1;
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

struct key_hasher *key_hasher_new(const uint8_t pepper[32]) {
  struct key_hasher *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
  h->inner = EVP_MD_CTX_new();
  h->outer = EVP_MD_CTX_new();
  h->scratch = EVP_MD_CTX_new();
  if (h->md && h->inner && h->outer && h->scratch && keyed(h->inner, h->md, pepper, 0x36) &&
      keyed(h->outer, h->md, pepper, 0x5c))
    return h;
  key_hasher_free(h);
  return NULL;
}

void key_hasher_free(struct key_hasher *h) {
  if (!h) return;
  EVP_MD_CTX_free(h->inner);
  EVP_MD_CTX_free(h->outer);
  EVP_MD_CTX_free(h->scratch);
  EVP_MD_free(h->md);
  free(h);
}

void key_hasher_hash(struct key_hasher *h, struct str text, uint8_t hash[32]) {
  bool ok = EVP_MD_CTX_copy_ex(h->scratch, h->inner) == 1 && EVP_DigestUpdate(h->scratch, text.ptr, text.len) == 1 &&
            EVP_DigestFinal_ex(h->scratch, hash, NULL) == 1 && EVP_MD_CTX_copy_ex(h->scratch, h->outer) == 1 &&
            EVP_DigestUpdate(h->scratch, hash, 32) == 1 && EVP_DigestFinal_ex(h->scratch, hash, NULL) == 1;
  if (ok) return;
  // A half-made hash must not be compared with anything: out of memory in here is the end.
  fputs("signalbox: hashing an API key failed\n", stderr);
  abort();
}
