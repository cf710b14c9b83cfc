#define _GNU_SOURCE
#include "net/tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_context {
  SSL_CTX *ssl;
};
struct tls_ticket {
  SSL_SESSION *session;
};
struct tls_session {
  SSL *ssl;
  struct tls_ticket **ticket;
  char why[160];
};

static int session_index = -1;

// OpenSSL hands over each ticket the server sends; the last one is kept for the next connection.
static int on_new_ticket(SSL *ssl, SSL_SESSION *session) {
  struct tls_session *s = SSL_get_ex_data(ssl, session_index);
  if (!s || !s->ticket) return 0;
  if (!*s->ticket) *s->ticket = calloc(1, sizeof **s->ticket);
  if (!*s->ticket) return 0;
  if ((*s->ticket)->session) SSL_SESSION_free((*s->ticket)->session);
  (*s->ticket)->session = session;
  return 1;  // we own the reference now
}

static void why_from_openssl(char *why, size_t size, const char *doing) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  snprintf(why, size, "%s: %s", doing, reason ? reason : "unknown TLS error");
  ERR_clear_error();
}

static struct tls_context *context_new(const SSL_METHOD *method, char *why, size_t why_size) {
  if (session_index < 0) session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  struct tls_context *ctx = calloc(1, sizeof *ctx);
  if (!ctx) return NULL;
  ctx->ssl = SSL_CTX_new(method);
  if (!ctx->ssl || !SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION)) {
    why_from_openssl(why, why_size, "TLS set-up");
    tls_context_drop(ctx);
    return NULL;
  }
  SSL_CTX_set_mode(ctx->ssl,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(ctx->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return ctx;
}

// "5ed36f99.0": a certificate under the hash of its name, as c_rehash leaves it.
static bool is_hashed(const char *name) {
  size_t n = strlen(name);
  return n > 2 && n - 2 == strspn(name, "0123456789abcdef") && strcmp(name + n - 2, ".0") == 0;
}

// Where the system's trust anchors also stand one by one, by hash, only those that are needed are read: the whole
// bundle is 2 MB of memory and 20 ms of a start. The variables SSL_CERT_FILE and SSL_CERT_DIR keep their meaning.
static bool trust_system(SSL_CTX *ssl) {
  bool hashed = false;
  DIR *dir = getenv(X509_get_default_cert_file_env()) || getenv(X509_get_default_cert_dir_env())
                 ? NULL
                 : opendir(X509_get_default_cert_dir());
  for (struct dirent *entry; dir && !hashed && (entry = readdir(dir));) hashed = is_hashed(entry->d_name);
  if (dir) closedir(dir);
  return (hashed ? SSL_CTX_set_default_verify_dir(ssl) : SSL_CTX_set_default_verify_paths(ssl)) == 1;
}

struct tls_context *tls_client_context(const char *ca_file, char *why, size_t why_size) {
  static const unsigned char alpn[] = "\x08http/1.1";
  struct tls_context *ctx = context_new(TLS_client_method(), why, why_size);
  if (!ctx) return NULL;
  SSL_CTX_set_verify(ctx->ssl, SSL_VERIFY_PEER, NULL);
  bool ok = trust_system(ctx->ssl);
  if (ok && ca_file && *ca_file) ok = SSL_CTX_load_verify_locations(ctx->ssl, ca_file, NULL) == 1;
  if (!ok) {
    why_from_openssl(why, why_size, ca_file && *ca_file ? ca_file : "trust anchors of the system");
    tls_context_drop(ctx);
    return NULL;
  }
  SSL_CTX_set_alpn_protos(ctx->ssl, alpn, sizeof alpn - 1);
  SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx->ssl, on_new_ticket);
  ERR_clear_error();
  return ctx;
}

static int choose_http1(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                        unsigned in_len, void *context) {
  (void)ssl, (void)context;
  static const unsigned char http1[] = "\x08http/1.1";
  unsigned char *chosen;
  if (SSL_select_next_proto(&chosen, out_len, http1, sizeof http1 - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

struct tls_context *tls_server_context(const char *cert_file, const char *key_file, char *why, size_t why_size) {
  struct tls_context *ctx = context_new(TLS_server_method(), why, why_size);
  if (!ctx) return NULL;
  const char *trouble = NULL;
  if (SSL_CTX_use_certificate_chain_file(ctx->ssl, cert_file) != 1)
    trouble = cert_file;
  else if (SSL_CTX_use_PrivateKey_file(ctx->ssl, key_file, SSL_FILETYPE_PEM) != 1)
    trouble = key_file;
  else if (SSL_CTX_check_private_key(ctx->ssl) != 1)
    trouble = "server.tls: key and certificate do not belong together";
  if (trouble) {
    why_from_openssl(why, why_size, trouble);
    tls_context_drop(ctx);
    return NULL;
  }
  SSL_CTX_set_alpn_select_cb(ctx->ssl, choose_http1, NULL);
  return ctx;
}

void tls_context_drop(struct tls_context *ctx) {
  if (!ctx) return;
  SSL_CTX_free(ctx->ssl);
  free(ctx);
}

static struct tls_session *session_new(struct tls_context *ctx, int fd) {
  struct tls_session *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->ssl = SSL_new(ctx->ssl);
  if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1) {
    SSL_free(s->ssl);
    free(s);
    ERR_clear_error();
    return NULL;
  }
  SSL_set_ex_data(s->ssl, session_index, s);
  return s;
}

struct tls_session *tls_connect(struct tls_context *ctx, int fd, struct str host, struct tls_ticket **ticket) {
  struct tls_session *s = session_new(ctx, fd);
  if (!s) return NULL;
  char name[256];
  unsigned char address[16];
  snprintf(name, sizeof name, "%.*s", STR_ARGS(host));
  bool literal = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
  X509_VERIFY_PARAM *verify = SSL_get0_param(s->ssl);
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool ok = literal ? X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1
                    : SSL_set_tlsext_host_name(s->ssl, name) == 1 && X509_VERIFY_PARAM_set1_host(verify, name, 0) == 1;
  if (!ok) {
    tls_close(s);
    ERR_clear_error();
    return NULL;
  }
  s->ticket = ticket;
  if (ticket && *ticket && (*ticket)->session) SSL_set_session(s->ssl, (*ticket)->session);
  SSL_set_connect_state(s->ssl);
  return s;
}

struct tls_session *tls_accept(struct tls_context *ctx, int fd) {
  struct tls_session *s = session_new(ctx, fd);
  if (s) SSL_set_accept_state(s->ssl);
  return s;
}

static enum tls_result result_of(struct tls_session *s, int rc, const char *doing) {
  switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_NONE: return TLS_OK;
    case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return TLS_EOF;
    default: break;
  }
  long verify = SSL_get_verify_result(s->ssl);
  if (verify != X509_V_OK) {
    snprintf(s->why, sizeof s->why, "certificate refused: %s", X509_verify_cert_error_string(verify));
    ERR_clear_error();
  } else if (ERR_peek_last_error()) {
    why_from_openssl(s->why, sizeof s->why, doing);
  } else {
    snprintf(s->why, sizeof s->why, "%s: connection closed without TLS close_notify", doing);
  }
  return TLS_FAILED;
}

enum tls_result tls_handshake(struct tls_session *s) {
  ERR_clear_error();
  return result_of(s, SSL_do_handshake(s->ssl), "TLS handshake");
}

bool tls_resumed(const struct tls_session *s) {
  return SSL_session_reused(s->ssl) == 1;
}

enum tls_result tls_read(struct tls_session *s, char *into, size_t max, size_t *got) {
  ERR_clear_error();
  return result_of(s, SSL_read_ex(s->ssl, into, max, got), "TLS read");
}

enum tls_result tls_write(struct tls_session *s, const char *bytes, size_t n, size_t *sent) {
  ERR_clear_error();
  return result_of(s, SSL_write_ex(s->ssl, bytes, n, sent), "TLS write");
}

bool tls_pending(const struct tls_session *s) {
  return SSL_has_pending(s->ssl) && SSL_pending(s->ssl) > 0;
}

void tls_end(struct tls_session *s) {
  bool ended = SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN;
  if (SSL_is_init_finished(s->ssl) && !ended) SSL_shutdown(s->ssl);
  ERR_clear_error();
}

void tls_close(struct tls_session *s) {
  if (!s) return;
  tls_end(s);
  SSL_free(s->ssl);
  free(s);
}

struct str tls_why(const struct tls_session *s) {
  return str_from_cstr(s->why);
}

void tls_ticket_drop(struct tls_ticket *ticket) {
  if (!ticket) return;
  if (ticket->session) SSL_SESSION_free(ticket->session);
  free(ticket);
}
