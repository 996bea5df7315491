/*
 * protocol - the keeper's spec file and the packets on its socket.
 *
 * The spec is NUL-terminated key=value entries, a packet is key=value lines, the
 * first of them op=….  Missing keys and numbers out of range are errors; unknown
 * keys are too in a spec, and ignored in a packet (a newer peer may say more).  Contract:
 * docs/architecture.md, "Keeper".
 */
#pragma once

#include "base/str.h"
#include "base/strbuf.h"

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct error;

#define KEEPER_SPEC_MAX   (4UL * 1024 * 1024)
#define KEEPER_PACKET_MAX 4096
#define KEEPER_DATA_MAX   (KEEPER_PACKET_MAX - 16) /* bytes in one packet */

#define KEEPER_NOTIFY_TEXT_SIZE 128

struct keeper_spec {
	char *socket;
	char *log_dir;
	char *service;
	uint32_t run;
	char *cwd;
	int stop_signal;
	int64_t stop_timeout_ms;
	bool tty;
	uint64_t segment_bytes;
	uint32_t segment_count;
	struct strv args, env, stop_args;
	char *notify;        /* datagram socket for sd_notify(3); NULL: none */
	bool notify_shared;  /* for users besides ours, as a container has; its folder is private */
	bool has_cgroup;     /* in a cgroup of its own, where one can be made */
	bool has_stdin;      /* without tty: standard input is a pipe, for those who attach */
	bool signals_leader; /* signals are for the leader alone, which passes them on as it sees
	                        fit */
	/* A service whose keeper was lost; its output ends are inherited as 3 and up.  0: none. */
	pid_t adopt_pid;
	uint64_t adopt_start_ticks;
};

void keeper_spec_release(struct keeper_spec *spec);
void keeper_spec_encode(const struct keeper_spec *spec, struct strbuf *out);
int keeper_spec_decode(const char *data, size_t len, struct keeper_spec *ret, struct error *err);

enum keeper_op {
	KEEPER_HELLO,
	KEEPER_SUBSCRIBE,
	KEEPER_STOP,
	KEEPER_KILL,
	KEEPER_SIGNAL,
	KEEPER_ATTACH,
	KEEPER_RESIZE,
	KEEPER_DATA,   /* input for the keeper, output from it */
	KEEPER_STATUS, /* from the keeper */
	KEEPER_ERROR,  /* from the keeper */
};

enum keeper_state { KEEPER_STARTING, KEEPER_RUNNING, KEEPER_STOPPING, KEEPER_EXITED };

struct keeper_status {
	enum keeper_state state;
	pid_t pid;
	uint64_t start_ticks;
	uint32_t run;
	int64_t started_real_ns;
	int exit_code;   /* -1: none, or ended by a signal */
	int exit_signal; /* 0: none */
	bool killed;
	uint64_t log_bytes;     /* written by the service, all runs */
	uint64_t dropped_bytes; /* not stored, this run */
	/* From here on a peer of an older version says nothing: 0. */
	bool tty, has_stdin;  /* what attaching gives */
	bool log_full;        /* the disk takes none of the output now */
	bool degraded;        /* this keeper took over from one that was lost */
	bool notify_ready;    /* READY=1 was seen */
	bool notify_stopping; /* STOPPING=1 was seen */
	uint64_t watchdog_us; /* it promised a sign of life this often; 0: it did not */
	bool watchdog_missed; /* none came in time, or WATCHDOG=trigger; until the next */
	uint64_t extend_us;   /* until when, on CLOCK_MONOTONIC, it asked for time; 0: never */
	char notify_text[KEEPER_NOTIFY_TEXT_SIZE]; /* STATUS=, one line */
	uint32_t killed_count;                     /* processes that SIGKILL was needed for */
};

struct keeper_packet {
	enum keeper_op op;
	int signal;                  /* of KEEPER_SIGNAL */
	bool hold;                   /* of KEEPER_SUBSCRIBE: pass the ends of the output, too */
	bool write;                  /* of KEEPER_ATTACH: with input */
	int rows, cols;              /* of KEEPER_ATTACH and KEEPER_RESIZE; 0: unknown */
	const char *data;            /* of KEEPER_DATA, borrowed */
	size_t data_len;             /* at most KEEPER_DATA_MAX */
	struct keeper_status status; /* of KEEPER_STATUS */
	char text[256];              /* of KEEPER_ERROR */
};

void keeper_packet_encode(const struct keeper_packet *packet, struct strbuf *out);
/* ret->data points into `data`. */
int keeper_packet_decode(const char *data, size_t len, struct keeper_packet *ret,
                         struct error *err);

/* Copies text that others wrote as one line: control characters become spaces, the end is cut. */
void keeper_copy_line(char *out, size_t size, const char *text, size_t len);

/*
 * The mark in the environment of all that belongs to a run: <log folder>/<run>, where the folder
 * ends in the project's id and the service's name.
 */
#define KEEPER_RUN_VARIABLE "LOCALD_RUN"
char *keeper_run_mark(const struct keeper_spec *spec) must_check;

/*
 * The address of a socket at `path`, through an open folder: a path may be longer
 * than sun_path.  Keep *ret_dir open until bind(2) or connect(2) has been called.
 */
int keeper_socket_address(const char *path, struct sockaddr_un *ret, int *ret_dir,
                          struct error *err);

/* The value of `key` in key=value lines, up to its newline; NULL when it is not there. */
const char *keeper_line_value(const char *text, size_t len, const char *key, size_t *ret_len);
int64_t keeper_line_int(const char *text, size_t len, const char *key, int64_t def);
