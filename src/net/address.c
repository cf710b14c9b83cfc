#define _GNU_SOURCE
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_public_4(uint32_t a) {
  static const struct {
    uint32_t net, bits;
  } others[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
                {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xE0000000, 3}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (a >> (32 - others[i].bits) == others[i].net >> (32 - others[i].bits)) return false;
  return true;
}

bool address_is_public(const struct dns_address *a) {
  if (a->addr.ss_family == AF_INET) return is_public_4(ntohl(((const struct sockaddr_in *)&a->addr)->sin_addr.s_addr));
  if (a->addr.ss_family != AF_INET6) return false;
  const unsigned char *b = ((const struct sockaddr_in6 *)&a->addr)->sin6_addr.s6_addr;
  static const unsigned char zeros[12], mapped[12] = {[10] = 0xFF, [11] = 0xFF};
  bool v4 = memcmp(b, mapped, 12) == 0 || memcmp(b, zeros, 12) == 0;
  bool nat64 = b[0] == 0 && b[1] == 0x64 && b[2] == 0xFF && b[3] == 0x9B;
  if (v4 || nat64) return is_public_4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15]);
  return (b[0] & 0xE0) == 0x20;  // global unicast
}

bool address_is_private_host(struct str host) {
  struct dns_address a = {0};
  char text[64];
  if (host.len >= sizeof text) return false;
  snprintf(text, sizeof text, "%.*s", STR_ARGS(host));
  if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a.addr)->sin_addr) == 1)
    a.addr.ss_family = AF_INET;
  else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a.addr)->sin6_addr) == 1)
    a.addr.ss_family = AF_INET6;
  else
    return str_eq_nocase(host, STR("localhost"));
  return !address_is_public(&a);
}

int address_dial(const struct dns_address *a) {
  int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0 || errno == EINPROGRESS) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
