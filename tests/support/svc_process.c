/* Shapes of processes: trees, sessions, daemons, orphans, bombs. */
#include "svc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_signal(void) __attribute__((noreturn));

static void wait_for_signal(void)
{
	for (;;)
		pause();
}

static void reach(volatile uint32_t *count, uint32_t wanted)
{
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < wanted)
		usleep(1000);
}

static uint32_t *shared_counter(void)
{
	uint32_t *count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
	                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (count == MAP_FAILED)
		svc_die("mmap");
	*count = 0;
	return count;
}

/* The rest of one session: its processes are a chain, each the child of the one before. */
static void chain(uint32_t length, uint32_t *count)
{
	do
		__atomic_add_fetch(count, 1, __ATOMIC_RELEASE);
	while (--length > 0 && svc_fork() == 0);
	wait_for_signal();
}

static void tree(struct svc *svc, char **args)
{
	uint32_t processes = (uint32_t)svc_number(args[0], 1, 100000);
	uint32_t sessions = args[1] ? (uint32_t)svc_number(args[1], 1, processes) : 1;
	uint32_t *count = shared_counter();

	for (uint32_t i = 0; i < sessions; i++) {
		uint32_t share = processes / sessions + (i < processes % sessions);

		if (svc_fork() > 0)
			continue;
		if (sessions > 1)
			setsid();
		chain(share, count);
	}
	reach(count, processes);
	svc_say(svc, "tree of %u", processes);
}

/* --- ways to get out of a parent's sight --- */

static void by_setsid(void)
{
	if (svc_fork() > 0)
		return;
	setsid();
	wait_for_signal();
}

static void by_double_fork(void)
{
	pid_t middle = svc_fork();

	if (middle > 0) {
		waitpid(middle, NULL, 0);
		return;
	}
	if (svc_fork() > 0)
		_exit(0);
	wait_for_signal();
}

static void by_nohup(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN};

	if (svc_fork() > 0)
		return;
	sigaction(SIGHUP, &action, NULL);
	setpgid(0, 0);
	wait_for_signal();
}

static void by_daemon(void)
{
	pid_t middle = svc_fork();

	if (middle > 0) {
		waitpid(middle, NULL, 0);
		return;
	}
	if (daemon(0, 0) < 0)
		svc_die("daemon");
	wait_for_signal();
}

static const struct {
	const char *name;
	void (*leave)(void);
} shapes[] = {
	{"setsid", by_setsid},
	{"double-fork", by_double_fork},
	{"nohup", by_nohup},
	{"daemon", by_daemon},
};

static void escape(struct svc *svc, char **args)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shapes[i].name, args[0]) != 0)
			continue;
		shapes[i].leave();
		svc_say(svc, "escaped by %s", args[0]);
		return;
	}
	errno = EINVAL;
	svc_die(args[0]);
}

static void orphans(struct svc *svc, char **args)
{
	uint64_t number = svc_number(args[0], 1, 10000000);

	for (uint64_t i = 0; i < number; i++) {
		pid_t middle = svc_fork();

		if (middle == 0) {
			/* Ends a moment after its parent, or at the same time. */
			if (svc_fork() == 0 && i % 2)
				usleep(1000);
			_exit(0);
		}
		waitpid(middle, NULL, 0);
	}
	svc_say(svc, "made %llu orphans", (unsigned long long)number);
}

/* Every process forks on, until there are `cap` or the kernel refuses. */
static void bomb(struct svc *svc, char **args)
{
	uint32_t cap = (uint32_t)svc_number(args[0], 1, 100000);
	uint32_t *count = shared_counter();

	svc_say(svc, "bomb of %u", cap);
	*count = 1;
	for (;;) {
		pid_t pid;

		if (__atomic_add_fetch(count, 1, __ATOMIC_RELAXED) > cap)
			wait_for_signal();
		pid = fork();
		if (pid < 0) {
			__atomic_sub_fetch(count, 1, __ATOMIC_RELAXED);
			usleep(1000);
		}
	}
}

const struct svc_step svc_process_steps[] = {
	{"tree", "PROCESSES [SESSIONS]", "so many that wait, in so many sessions; says `tree of N`",
         1, 2, tree},
	{"escape", "setsid|double-fork|nohup|daemon",
         "leave a waiting process behind in this way; says `escaped by …`", 1, 1, escape},
	{"orphans", "COUNT", "so many grandchildren that lose their parent and end", 1, 1, orphans},
	{"bomb", "CAP", "fork in every process until there are CAP; never comes back", 1, 1, bomb},
	{0},
};
