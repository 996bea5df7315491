/*
 * svc - the service of the tests: a program of steps, each named on its command line.
 *
 * A step is a function in a table (svc.c: output and life, svc_process.c: shapes of processes,
 * svc_socket.c: ports and sd_notify).  Steps share the struct below; main() runs them in order.
 * Standalone: libc only and static, so that it runs in any container.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the ledger file holds, all as 64-bit numbers of this machine.  A write is `begun` before
 * it is made and `written` after, so a SIGKILL in between leaves them apart by one write.
 */
struct svc_ledger {
	uint64_t starts, ends;         /* ends: exits of its own will */
	uint64_t lines;                /* complete lines, of both streams */
	uint64_t begun[2], written[2]; /* bytes of stdout, of stderr */
};

#define SVC_LISTEN_MAX 16

struct svc {
	int streams[2], nstreams; /* which descriptors lines go to, in turn */
	uint64_t number;          /* of the last line */
	size_t chunk;             /* lines are gathered into writes of at least this */
	char *gathered[2];
	size_t ngathered[2];
	struct svc_ledger *ledger;
	int listening[SVC_LISTEN_MAX], nlistening;
};

struct svc_step {
	const char *name, *args, *what;
	int min_args, max_args;
	void (*run)(struct svc *svc, char **args);
};

extern const struct svc_step svc_process_steps[], svc_socket_steps[];

/* A number in these bounds, or a complaint and exit status 2. */
uint64_t svc_number(const char *text, uint64_t min, uint64_t max);
/* By name without SIG, or by number. */
int svc_signal(const char *name);
void svc_die(const char *what) __attribute__((noreturn)); /* with errno; exit status 111 */
void svc_say(struct svc *svc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void svc_exit(struct svc *svc, int code) __attribute__((noreturn));
pid_t svc_fork(void);
/* Answers connections until this signal comes, or (0) one ends the process. */
void svc_serve(struct svc *svc, int signo);
