/*
 * follow - what services write, shown while something else is waited for, and keys.
 *
 * follow_open() begins at the end of the logs that are there; services that are added
 * later are read from their first line.  Put follow_fd() into a client_watch, with
 * follow_turn() as its on_also: it shows what has come, and ends the wait with
 * ERR_INTERRUPTED when `d` was typed (is_detached).
 *
 * The terminal gives keys at once until follow_release().  Never blocks but in writing.
 */
#pragma once

#include "cli/log_line.h"

#include "base/str.h"

#include <termios.h>

struct cli;
struct error;
struct log_merge;
struct log_watch;

struct follow {
	struct cli *cli;
	char *dir;          /* logs of the project: a folder for each service */
	struct strv chosen; /* services to be shown, with their replicas; empty: all */
	bool is_plain;      /* lines as they are, each to its own stream; no events */
	bool reads_keys, is_detached;
	bool is_busy;      /* `d` is kept in mind, but ends no wait yet */
	struct strv shown; /* by the merge's tags */
	struct log_merge *merge;
	struct log_watch *watch;
	struct log_view view;
	int epoll_fd;
	bool has_terminal;
	struct termios before;
};

/* Set cli, dir, chosen and the flags first; they are released with the rest. */
int follow_open(struct follow *follow, struct error *err);
void follow_release(struct follow *follow);

/* A service that may be new.  Its log is read from the beginning then. */
int follow_add(struct follow *follow, const char *service, struct error *err);
bool follow_is_chosen(const struct follow *follow, const char *service);

/*
 * After Ctrl-C: asks the services (of cli->root) to stop, and shows what they still write;
 * another Ctrl-C kills them.  `what` they are, for the message.
 */
int follow_stop(struct follow *follow, const struct strv *services, const char *what,
                struct error *err);

int follow_turn(void *follow, struct error *err);
/* Shows what is there now. */
int follow_drain(struct follow *follow, struct error *err);
