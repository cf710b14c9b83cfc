// send and recv without glibc's bookkeeping for pthread_cancel, which a process with threads pays for twice a call and
// which nothing here uses. Sanitizers see the library's functions, to check what is handed to them.
#pragma once
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(SYS_sendto) && defined(SYS_recvfrom) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static inline ssize_t sys_send(int fd, const void *bytes, size_t n, int flags) {
  return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
}
static inline ssize_t sys_recv(int fd, void *into, size_t max, int flags) {
  return syscall(SYS_recvfrom, fd, into, max, flags, NULL, NULL);
}
#else
static inline ssize_t sys_send(int fd, const void *bytes, size_t n, int flags) {
  return send(fd, bytes, n, flags);
}
static inline ssize_t sys_recv(int fd, void *into, size_t max, int flags) {
  return recv(fd, into, max, flags);
}
#endif
