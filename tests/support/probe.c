/*
 * probe - what a hostile program inside a container tries, one attempt a word.
 * It prints what came of it and leaves the judgement to the test.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define KEY_SPEC_SESSION (-3)
#define RUNTIME          "locald-shim"

struct probe {
	const char *name;
	int (*run)(int argc, char **argv);
};

static int tell(long result)
{
	printf("%s\n", result < 0 ? strerrorname_np(errno) : "OK");
	return 0;
}

/* Is it the runtime itself, or its sealed copy, before it became the program? */
static bool is_runtime(const char *dir)
{
	char path[64], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/exe", dir);
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	return strstr(target, RUNTIME) != NULL;
}

static void attack(pid_t pid)
{
	char dir[32], path[64];
	int fd;

	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	snprintf(path, sizeof(path), "%s/exe", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		printf("wrote to %s\n", path);
		close(fd);
	}
	if (!is_runtime(dir))
		return;
	printf("looked into %d\n", pid);
	/* What is traced when it ends is not waited for by its parent. */
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
		printf("traced %d\n", pid);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
}

/* Until standard input ends: every process that appears. */
static int watch(int argc, char **argv)
{
	struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned long rounds = 0, others = 0;
	struct dirent *entry;

	(void)argc, (void)argv;
	printf("ready\n");
	while (poll(&end, 1, 0) == 0) {
		DIR *proc = opendir("/proc");

		rounds++;
		while (proc && (entry = readdir(proc))) {
			pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

			if (pid <= 0 || pid == getpid())
				continue;
			others++;
			attack(pid);
		}
		if (proc)
			closedir(proc);
	}
	printf("%s\n", rounds > 0 && others > 0 ? "watched" : "saw nobody");
	return 0;
}

/* The kernel looks at 32 bits of a request, a filter may look at 64. */
static int push_input(int argc, char **argv)
{
	uint64_t request = strtoull(argv[0], NULL, 0);

	(void)argc;
	return tell(syscall(SYS_ioctl, STDIN_FILENO, request, "x"));
}

static int call(int argc, char **argv)
{
	long args[6] = {0};

	for (int i = 1; i < argc && i < 7; i++)
		args[i - 1] = strtol(argv[i], NULL, 0);
	return tell(syscall(strtol(argv[0], NULL, 0), args[0], args[1], args[2], args[3], args[4],
	                    args[5]));
}

#ifdef __x86_64__
static long old_call(long number, long arg)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(arg) : "memory");
	return result;
}
#else
static long old_call(long number, long arg)
{
	(void)number, (void)arg;
	return -ENOSYS;
}
#endif

/* A call of the i386 table from a program of x86-64; with one argument that is a number. */
static int call_32(int argc, char **argv)
{
	long result = old_call(strtol(argv[0], NULL, 0), argc > 1 ? strtol(argv[1], NULL, 0) : 0);

	errno = result < 0 ? (int)-result : 0;
	return tell(result < 0 ? -1 : 0);
}

static int read_key(int argc, char **argv)
{
	char text[64];

	(void)argc;
	return tell(syscall(SYS_keyctl, KEYCTL_READ, strtol(argv[0], NULL, 0), text, sizeof(text)));
}

static int find_key(int argc, char **argv)
{
	(void)argc;
	return tell(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION, "user", argv[0], 0));
}

/* Adds a key to the session's keyring, prints its number, and becomes the rest of its words. */
static int with_key(int argc, char **argv)
{
	long key = syscall(SYS_add_key, "user", argv[0], "secret", 6, KEY_SPEC_SESSION);

	if (argc < 2 || key < 0)
		return tell(key);
	fprintf(stderr, "key %ld\n", key);
	execv(argv[1], argv + 1);
	return tell(-1);
}

static int connect_to(int argc, char **argv)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)argc;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[0]);
	return tell(connect(sock, (struct sockaddr *)&addr, sizeof(addr)));
}

static int without_arguments(int argc, char **argv)
{
	char *none[] = {NULL};

	(void)argc;
	execve(argv[0], none, none);
	return tell(-1);
}

static const struct probe probes[] = {
	{"argc0", without_arguments}, {"call", call},         {"call32", call_32},
	{"connect", connect_to},      {"find-key", find_key}, {"push-input", push_input},
	{"read-key", read_key},       {"watch", watch},       {"with-key", with_key},
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(probes) / sizeof(probes[0]); i++)
		if (strcmp(probes[i].name, argv[1]) == 0)
			return probes[i].run(argc - 2, argv + 2);
	fprintf(stderr, "usage: probe NAME [ARGUMENT...]\n");
	return 2;
}
