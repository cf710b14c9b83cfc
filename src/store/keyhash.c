#include "store/keyhash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 };

struct key_hasher {
  EVP_MD *sha;
  EVP_MD_CTX *inner, *outer;  // the state behind the pepper's block
  EVP_MD_CTX *work;
};

static EVP_MD_CTX *begin(EVP_MD *sha, const uint8_t pepper[32], uint8_t pad) {
  uint8_t block[BLOCK];
  memset(block, pad, sizeof block);
  for (int i = 0; i < 32; i++) block[i] ^= pepper[i];
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (ctx && (EVP_DigestInit_ex2(ctx, sha, NULL) != 1 || EVP_DigestUpdate(ctx, block, sizeof block) != 1)) {
    EVP_MD_CTX_free(ctx);
    ctx = NULL;
  }
  OPENSSL_cleanse(block, sizeof block);
  return ctx;
}

struct key_hasher *key_hasher_new(const uint8_t pepper[32]) {
  struct key_hasher *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->sha = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (h->sha) {
    h->inner = begin(h->sha, pepper, 0x36);
    h->outer = begin(h->sha, pepper, 0x5c);
    h->work = EVP_MD_CTX_new();
  }
  if (h->inner && h->outer && h->work) return h;
  key_hasher_free(h);
  return NULL;
}

void key_hasher_free(struct key_hasher *h) {
  if (!h) return;
  EVP_MD_CTX_free(h->inner);
  EVP_MD_CTX_free(h->outer);
  EVP_MD_CTX_free(h->work);
  EVP_MD_free(h->sha);
  free(h);
}

void key_hasher_hash(struct key_hasher *h, struct str text, uint8_t hash[32]) {
  uint8_t inner[32];
  bool ok = EVP_MD_CTX_copy_ex(h->work, h->inner) == 1 && EVP_DigestUpdate(h->work, text.ptr, text.len) == 1 &&
            EVP_DigestFinal_ex(h->work, inner, NULL) == 1 && EVP_MD_CTX_copy_ex(h->work, h->outer) == 1 &&
            EVP_DigestUpdate(h->work, inner, sizeof inner) == 1 && EVP_DigestFinal_ex(h->work, hash, NULL) == 1;
  if (!ok) abort();  // only when the library is out of memory: a wrong hash must not be compared
}
