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
};

struct keeper_packet {
	enum keeper_op op;
	int signal;                  /* of KEEPER_SIGNAL */
	struct keeper_status status; /* of KEEPER_STATUS */
	char text[256];              /* of KEEPER_ERROR */
};

void keeper_packet_encode(const struct keeper_packet *packet, struct strbuf *out);
int keeper_packet_decode(const char *data, size_t len, struct keeper_packet *ret,
                         struct error *err);

/*
 * The address of a socket at `path`, through an open folder: a path may be longer
 * than sun_path.  Keep *ret_dir open until bind(2) or connect(2) has been called.
 */
int keeper_socket_address(const char *path, struct sockaddr_un *ret, int *ret_dir,
                          struct error *err);

/* The value of `key` in key=value lines, up to its newline; NULL when it is not there. */
const char *keeper_line_value(const char *text, size_t len, const char *key, size_t *ret_len);
int64_t keeper_line_int(const char *text, size_t len, const char *key, int64_t def);
