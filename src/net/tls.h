// TLS by OpenSSL on non-blocking sockets: contexts are shared by threads, a session belongs to one connection.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct tls_context;
struct tls_session;
struct tls_ticket;  // a resumable session kept by a client; one thread's

enum tls_result { TLS_OK, TLS_WANT_READ, TLS_WANT_WRITE, TLS_EOF, TLS_FAILED };

// For connecting: verification on, TLS 1.2 or newer, ALPN http/1.1. ca_file empty: the system's anchors, else these
// beside them. NULL with a sentence in `why`.
struct tls_context *tls_client_context(const char *ca_file, char *why, size_t why_size);
// For listening: PEM chain and key. NULL with a sentence in `why`.
struct tls_context *tls_server_context(const char *cert_file, const char *key_file, char *why, size_t why_size);
void tls_context_drop(struct tls_context *ctx);

// A session on a connected socket. `host` (clients): SNI and the name or address the certificate must carry.
// `ticket` (may be NULL): resumption; updated as the server sends tickets; must outlive the session.
struct tls_session *tls_connect(struct tls_context *ctx, int fd, struct str host, struct tls_ticket **ticket);
struct tls_session *tls_accept(struct tls_context *ctx, int fd);
enum tls_result tls_handshake(struct tls_session *s);
bool tls_resumed(const struct tls_session *s);
enum tls_result tls_read(struct tls_session *s, char *into, size_t max, size_t *got);
enum tls_result tls_write(struct tls_session *s, const char *bytes, size_t n, size_t *sent);
bool tls_pending(const struct tls_session *s);
// Sends close_notify if it can; reading goes on.
void tls_end(struct tls_session *s);
// The same if it was not done before, and frees. The descriptor stays open.
void tls_close(struct tls_session *s);
// Why the last call failed, for people: "certificate verify failed: self-signed certificate".
struct str tls_why(const struct tls_session *s);
void tls_ticket_drop(struct tls_ticket *ticket);
