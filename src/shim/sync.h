/*
 * sync - what the shim and the first process of a container say to each other.
 *
 * A SOCK_SEQPACKET socketpair; one struct sync_message a packet.  The child's
 * end closes on exec, so end of file means "the program runs".  The order:
 *
 *   parent                        child
 *   (maps, cgroup) GO      ->     ids, mounts
 *   (state) RECORDED       ->     sysctls, hooks
 *                          <-     ROOT      (before it: /dev/fuse, for fuse-overlayfs to serve)
 *                          <-     HOOKS     (only when the plan has such hooks)
 *   GO                     ->     pivot, the rest
 *                          <-     CONSOLE   (with the terminal's descriptor)
 *                          <-     READY     (create: now it waits for `start`)
 *                          <-     FAILED, or end of file (at any time; one with the error)
 */
#pragma once

#include "base/attrs.h"

#include <sys/types.h>

struct error;

enum sync_kind {
	SYNC_GO = 1,
	SYNC_CLONED,   /* from the process in between that joins namespaces: code is the pid */
	SYNC_RECORDED, /* to the child: others can find the container */
	SYNC_ROOT,
	SYNC_HOOKS,
	SYNC_CONSOLE,
	SYNC_NODE, /* from the process that makes devices: one, with the descriptor of its tree */
	SYNC_READY,
	SYNC_FAILED,
	SYNC_END
};

#define SYNC_TEXT_MAX 1024

struct sync_message {
	int kind; /* enum sync_kind */
	int code; /* FAILED: struct error's code */
	char text[SYNC_TEXT_MAX];
	char hint[SYNC_TEXT_MAX / 2];
};

/* Sends a kind without text. */
int sync_send(int sock, enum sync_kind kind, struct error *err);
int sync_send_fd(int sock, enum sync_kind kind, int fd, struct error *err);
int sync_send_pid(int sock, pid_t pid, struct error *err);
/* Never fails loudly: the other side sees the end of file at least. */
void sync_send_failure(int sock, const struct error *failure);
/*
 * Receives one message; returns its kind, SYNC_END at end of file.  FAILED is
 * turned into *err and -1.  *ret_fd gets a descriptor that came along (or -1);
 * ret_fd may be NULL.
 */
int sync_receive(int sock, int *ret_fd, struct error *err);
/* Waits for one kind and returns its code; anything else is an error. */
int sync_expect(int sock, enum sync_kind kind, struct error *err);
