/*
 * fd - whole reads and writes, and descriptors passed between processes.
 *
 * Every descriptor made here is CLOEXEC.  All of these may block when the
 * descriptor does; the daemon uses them on regular files only.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct strbuf;

int fd_write_all(int fd, const void *data, size_t len, struct error *err);
/* Reads exactly len bytes; fewer is an error (EPIPE). */
int fd_read_exact(int fd, void *data, size_t len, struct error *err);
/* Appends to `out` until end of file; EFBIG when more than max bytes come. */
int fd_read_to_end(int fd, struct strbuf *out, size_t max, struct error *err);

/* Copies from the one's offset to the end of its file, inside the kernel where it can. */
int fd_copy(int from, int to, struct error *err);

int fd_set_nonblock(int fd, bool on, struct error *err);
int fd_set_cloexec(int fd, bool on, struct error *err);

/* A CLOEXEC pipe: [0] reads, [1] writes. */
int fd_pipe(int fds[2], struct error *err);

/* One message with up to 16 descriptors over a unix socket. */
#define FD_PASS_MAX 16
int fd_send_message(int sock, const void *data, size_t len, const int *fds, size_t nfds,
                    struct error *err);
/*
 * Receives one message; returns its length, 0 at end of file.  The received
 * descriptors are the caller's; *ret_nfds tells how many there are.
 */
ssize_t fd_receive_message(int sock, void *data, size_t size, int fds[FD_PASS_MAX],
                           size_t *ret_nfds, struct error *err);

/* Closes every descriptor from `first` on. */
void fd_close_from(int first);
