/*
 * notify - the datagram socket of sd_notify(3): what the service says about itself.
 *
 * Who may speak: a process that can be looked up must be in the tree.  One that has
 * ended and been reaped by its parent cannot; it is believed when its uid is ours, or
 * it may be a container's, for only this user can reach the socket, and only the tree
 * was told of it.  The keeper reads this socket before it reaps, so that a sender which
 * was left to it is still there to be looked up.
 *
 * Descriptors that come along are closed: for BARRIER=1 that is the answer, and there
 * is no store for others.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define NOTIFY_MESSAGE_MAX 4096

enum notify_watchdog { WATCHDOG_SILENT, WATCHDOG_FED, WATCHDOG_TRIGGERED };

/* One message, or several as one: what was not said is zero. */
struct notify_message {
	bool is_ready, is_stopping, has_main_pid;
	enum notify_watchdog watchdog;
	bool has_watchdog_us, has_extend_us;
	uint64_t watchdog_us, extend_us;
	const char *text; /* STATUS=, in the message; NULL: not said */
	size_t text_len;
};

/* Lines that are no assignment, and numbers that are none, are passed over, as elsewhere. */
void notify_parse(const char *data, size_t len, struct notify_message *ret);

struct notify_sender {
	pid_t pid; /* 0: in no namespace of ours */
	uid_t uid;
};

/*
 * Binds the socket; `path` fits a sun_path, for services bind it as it is.  A container may run
 * as any of its users, so its socket is for all: the folder (0700) keeps others out.
 */
int notify_open(const char *path, mode_t mode, struct error *err);
/*
 * Takes one message; its length, or -1 when there is none.  What is longer than the
 * limit is told as empty.
 */
ssize_t notify_receive(int fd, char data[NOTIFY_MESSAGE_MAX], struct notify_sender *ret_sender);
