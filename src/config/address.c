// Parsing of addresses. Whatever passes here can be opened or dialled without another look at its form.
#include "config/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

static const char PORT_TROUBLE[] = "a port is a number from 0 to 65535";

static bool is_ip(int family, struct str host) {
  char text[INET6_ADDRSTRLEN + 1];
  unsigned char address[sizeof(struct in6_addr)];
  if (host.len >= sizeof text) return false;
  memcpy(text, host.ptr, host.len);
  text[host.len] = 0;
  return inet_pton(family, text, address) == 1;
}

static const char *listen_unix(struct str path, struct config_listen *out) {
  if (!path.len) return "the path after unix: is missing";
  if (path.len >= sizeof((struct sockaddr_un *)0)->sun_path) return "the path after unix: is longer than 107 bytes";
  for (size_t i = 0; i < path.len; i++) {
    if ((unsigned char)path.ptr[i] < 0x20) return "the path after unix: has control characters";
  }
  out->unix_path = path;
  return NULL;
}

static const char *listen_port(struct str text, struct config_listen *out) {
  uint64_t port;
  if (!str_to_u64(text, UINT16_MAX, &port)) return PORT_TROUBLE;
  out->port = (uint16_t)port;
  return NULL;
}

const char *address_listen(struct str text, struct config_listen *out) {
  *out = (struct config_listen){0};
  if (str_starts(text, STR("unix:"))) return listen_unix(str_skip(text, 5), out);
  if (str_starts(text, STR("["))) {
    size_t end = str_find_char(text, ']', 0);
    if (end == SIZE_MAX || end + 1 >= text.len || text.ptr[end + 1] != ':')
      return "write an IPv6 address as [::1]:8787";
    out->host = str_from(text.ptr + 1, end - 1);
    if (!is_ip(AF_INET6, out->host)) return "that is no IPv6 address between [ and ]";
    return listen_port(str_skip(text, end + 2), out);
  }
  size_t colon = str_find_char(text, ':', 0);
  if (colon == SIZE_MAX) return "a port is missing: write 127.0.0.1:8787, :8787 or unix:/path";
  out->host = str_from(text.ptr, colon);
  if (!out->host.len || str_eq(out->host, STR("*"))) out->host = STR("0.0.0.0");
  if (str_eq_nocase(out->host, STR("localhost"))) out->host = STR("127.0.0.1");
  if (str_find_char(text, ':', colon + 1) != SIZE_MAX) return "write an IPv6 address as [::1]:8787";
  if (!is_ip(AF_INET, out->host)) return "before the port stands an IP address of this machine, or localhost";
  return listen_port(str_skip(text, colon + 1), out);
}

bool address_listen_eq(const struct config_listen *a, const struct config_listen *b) {
  // Two free ports are two different ones.
  return str_eq(a->host, b->host) && a->port == b->port && (a->port || a->unix_path.len) &&
         str_eq(a->unix_path, b->unix_path);
}

// Letters, digits, '-', '.', '_' as in names, or an IPv6 address in brackets. Returns the length of the host.
static size_t url_host(struct str rest) {
  if (str_starts(rest, STR("["))) {
    size_t end = str_find_char(rest, ']', 0);
    return end != SIZE_MAX && is_ip(AF_INET6, str_from(rest.ptr + 1, end - 1)) ? end + 1 : 0;
  }
  size_t n = 0;
  while (n < rest.len) {
    char c = rest.ptr[n];
    bool ok =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!ok) break;
    n++;
  }
  return n > 253 || (n && rest.ptr[0] == '.') ? 0 : n;
}

const char *address_url(struct str text, bool path, struct str *out) {
  size_t scheme = str_starts_nocase(text, STR("https://")) ? 8 : str_starts_nocase(text, STR("http://")) ? 7 : 0;
  if (!scheme) return "must begin with http:// or https://";
  for (size_t i = 0; i < text.len; i++) {
    if ((unsigned char)text.ptr[i] <= 0x20 || (unsigned char)text.ptr[i] >= 0x7F)
      return "has a space, a control character or a letter that must be written as %XX";
  }
  struct str rest = str_skip(text, scheme);
  size_t end = 0;
  while (end < rest.len && !strchr("/?#", rest.ptr[end])) end++;
  if (str_find_char(str_from(rest.ptr, end), '@', 0) != SIZE_MAX)
    return "must not hold a user or password; credentials have settings of their own";
  size_t host = url_host(rest);
  if (!host) return "has no valid host name";
  if (host < end) {
    uint64_t port;
    if (rest.ptr[host] != ':') return "has a character in its host name that cannot be there";
    if (!str_to_u64(str_from(rest.ptr + host + 1, end - host - 1), UINT16_MAX, &port) || !port) return PORT_TROUBLE;
  }
  if (str_find_char(rest, '?', end) != SIZE_MAX || str_find_char(rest, '#', end) != SIZE_MAX)
    return "must not have a query (?) or fragment (#)";
  while (str_ends(text, STR("/"))) text.len--;
  if (!path && text.len > scheme + end) return "must end with the host or port";
  *out = text;
  return NULL;
}
