#include "store/keyhash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, MEMO_TEXT = 96, MEMO_SIZE = 64 };

// A text hashed before. The same few keys come again and again.
struct memo {
  size_t len;  // 0: free
  char text[MEMO_TEXT];
  uint8_t hash[32];
};

struct key_hasher {
  EVP_MD *sha;
  EVP_MD_CTX *inner, *outer;  // the state behind the pepper's block
  EVP_MD_CTX *work;
  struct memo memos[MEMO_SIZE];
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
  OPENSSL_cleanse(h->memos, sizeof h->memos);
  free(h);
}

static void hash_now(struct key_hasher *h, struct str text, uint8_t hash[32]) {
  uint8_t inner[32];
  bool ok = EVP_MD_CTX_copy_ex(h->work, h->inner) == 1 && EVP_DigestUpdate(h->work, text.ptr, text.len) == 1 &&
            EVP_DigestFinal_ex(h->work, inner, NULL) == 1 && EVP_MD_CTX_copy_ex(h->work, h->outer) == 1 &&
            EVP_DigestUpdate(h->work, inner, sizeof inner) == 1 && EVP_DigestFinal_ex(h->work, hash, NULL) == 1;
  if (!ok) abort();  // only when the library is out of memory: a wrong hash must not be compared
}

// A key's last eight bytes are random; where a text that is no key goes does not matter.
static struct memo *memo_of(struct key_hasher *h, struct str text) {
  uint64_t tail;
  memcpy(&tail, text.ptr + text.len - sizeof tail, sizeof tail);
  return &h->memos[(tail * 0x9E3779B97F4A7C15u) >> 58];
}

void key_hasher_hash(struct key_hasher *h, struct str text, uint8_t hash[32]) {
  if (text.len < sizeof(uint64_t) || text.len > MEMO_TEXT) return hash_now(h, text, hash);
  struct memo *m = memo_of(h, text);
  if (m->len != text.len || CRYPTO_memcmp(m->text, text.ptr, text.len) != 0) {
    hash_now(h, text, m->hash);
    memcpy(m->text, text.ptr, text.len);
    m->len = text.len;
  }
  memcpy(hash, m->hash, sizeof m->hash);
}
