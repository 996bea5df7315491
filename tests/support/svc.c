#include "svc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FOREVER   UINT64_MAX
#define CHUNK_MAX (16u << 20)
#define NS        1000000000ull

/* --- for all steps --- */

void svc_die(const char *what)
{
	dprintf(STDERR_FILENO, "svc: %s: %s\n", what, strerror(errno));
	_exit(111);
}

uint64_t svc_number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || number < min || number > max) {
		dprintf(STDERR_FILENO, "svc: expected a number in %llu-%llu, got \"%s\"\n",
		        (unsigned long long)min, (unsigned long long)max, text);
		_exit(2);
	}
	return number;
}

int svc_signal(const char *name)
{
	for (int signo = 1; signo < NSIG; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known && strcmp(known, name) == 0)
			return signo;
	}
	return (int)svc_number(name, 1, NSIG - 1);
}

pid_t svc_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		svc_die("fork");
	return pid;
}

static void pause_ns(uint64_t ns)
{
	struct timespec left = {.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

/* --- output --- */

static void write_all(struct svc *svc, int fd, const char *data, size_t len)
{
	int stream = fd - STDOUT_FILENO;

	if (svc->ledger)
		svc->ledger->begun[stream] += len;
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			svc_die("write");
		if (svc->ledger)
			svc->ledger->written[stream] += (size_t)n;
		data += n;
		len -= (size_t)n;
	}
}

static void flush(struct svc *svc)
{
	for (int i = 0; i < 2; i++) {
		write_all(svc, STDOUT_FILENO + i, svc->gathered[i], svc->ngathered[i]);
		svc->ngathered[i] = 0;
	}
}

static void put(struct svc *svc, int fd, const char *data, size_t len)
{
	int stream = fd - STDOUT_FILENO;

	if (!svc->chunk) {
		write_all(svc, fd, data, len);
		return;
	}
	if (!svc->gathered[stream])
		svc->gathered[stream] = malloc(2 * CHUNK_MAX);
	if (!svc->gathered[stream])
		svc_die("malloc");
	memcpy(svc->gathered[stream] + svc->ngathered[stream], data, len);
	svc->ngathered[stream] += len;
	if (svc->ngathered[stream] >= svc->chunk) {
		write_all(svc, fd, svc->gathered[stream], svc->ngathered[stream]);
		svc->ngathered[stream] = 0;
	}
}

void svc_say(struct svc *svc, const char *format, ...)
{
	char line[4096];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0 || len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	put(svc, svc->streams[0], line, (size_t)len);
	if (svc->ledger)
		svc->ledger->lines++;
}

static void say(struct svc *svc, char **args)
{
	svc_say(svc, "%s", args[0]);
}

static void environment(struct svc *svc, char **args)
{
	const char *value = getenv(args[0]);

	svc_say(svc, "%s=%s", args[0], value ? value : "(unset)");
}

static void stream(struct svc *svc, char **args)
{
	bool is_both = strcmp(args[0], "both") == 0, is_err = strcmp(args[0], "err") == 0;

	if (!is_both && !is_err && strcmp(args[0], "out") != 0) {
		errno = EINVAL;
		svc_die(args[0]);
	}
	flush(svc);
	svc->nstreams = is_both ? 2 : 1;
	svc->streams[0] = is_err ? STDERR_FILENO : STDOUT_FILENO;
	svc->streams[1] = STDERR_FILENO;
}

static void chunk(struct svc *svc, char **args)
{
	flush(svc);
	svc->chunk = svc_number(args[0], 0, CHUNK_MAX);
}

static void one_line(struct svc *svc, char *line, size_t width)
{
	size_t len = (size_t)snprintf(line, 32, "%llu", (unsigned long long)++svc->number);

	if (len < width) {
		memset(line + len, '.', width - len);
		len = width;
	}
	line[len++] = '\n';
	put(svc, svc->streams[svc->number % (unsigned)svc->nstreams], line, len);
	if (svc->ledger)
		svc->ledger->lines++;
}

static void lines(struct svc *svc, char **args)
{
	uint64_t count = svc_number(args[0], 0, FOREVER);
	uint64_t rate = args[1] ? svc_number(args[1], 0, 1000000) : 0;
	size_t width = args[1] && args[2] ? svc_number(args[2], 0, CHUNK_MAX / 2) : 0;
	char *line = malloc(width + 64);
	uint64_t began = now_ns();

	if (!line)
		svc_die("malloc");
	for (uint64_t i = 0; !count || i < count; i++) {
		if (rate) {
			uint64_t due = began + i * NS / rate, now = now_ns();

			if (now < due)
				pause_ns(due - now);
			else if (now > due + NS)
				began +=
					now - due; /* held up: go on at the rate, do not catch up */
		}
		one_line(svc, line, width);
	}
	free(line);
	flush(svc);
}

static void stamps(struct svc *svc, char **args)
{
	uint64_t every = svc_number(args[0], 1, 3600000) * 1000000, due = now_ns();

	for (;; due += every) {
		uint64_t now = now_ns();

		if (now < due)
			pause_ns(due - now);
		svc_say(svc, "%llu", (unsigned long long)now_ns());
	}
}

static void line(struct svc *svc, char **args)
{
	uint64_t left = svc_number(args[0], 1, FOREVER);
	char block[65536];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)('a' + i % 26);
	while (left > 0) {
		size_t len = left < sizeof(block) ? (size_t)left : sizeof(block);

		put(svc, svc->streams[0], block, len);
		left -= len;
	}
	flush(svc);
}

static void binary(struct svc *svc, char **args)
{
	uint64_t left = svc_number(args[0], 1, FOREVER);
	uint64_t state = args[1] ? svc_number(args[1], 1, FOREVER) : 1;
	uint64_t block[8192];

	while (left > 0) {
		size_t len = left < sizeof(block) ? (size_t)left : sizeof(block);

		for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			block[i] = state;
		}
		put(svc, svc->streams[0], (const char *)block, len);
		left -= len;
	}
	flush(svc);
}

static void ledger(struct svc *svc, char **args)
{
	int fd;

	if (svc->ledger)
		return; /* `repeat` came by */
	fd = open(args[0], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*svc->ledger)) < 0)
		svc_die(args[0]);
	svc->ledger = mmap(NULL, sizeof(*svc->ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (svc->ledger == MAP_FAILED)
		svc_die(args[0]);
	svc->ledger->starts++;
	svc->number = svc->ledger->lines; /* numbers go on over restarts */
}

/* --- life --- */

static void sleep_ms(struct svc *svc, char **args)
{
	flush(svc);
	pause_ns(svc_number(args[0], 0, 86400000) * 1000000);
}

static void wait_forever(struct svc *svc, char **args)
{
	flush(svc);
	svc_serve(svc, 0);
}

void svc_exit(struct svc *svc, int code)
{
	flush(svc);
	if (svc->ledger)
		svc->ledger->ends++;
	_exit(code);
}

static void exit_with(struct svc *svc, char **args)
{
	svc_exit(svc, (int)svc_number(args[0], 0, 255));
}

static void die_by(struct svc *svc, char **args)
{
	flush(svc);
	if (svc->ledger)
		svc->ledger->ends++;
	kill(getpid(), svc_signal(args[0]));
	pause_ns(FOREVER / 4);
}

static void ignore(struct svc *svc, char **args)
{
	struct sigaction action = {.sa_handler = SIG_IGN};

	if (sigaction(svc_signal(args[0]), &action, NULL) < 0)
		svc_die(args[0]);
}

static void leave(int signo)
{
	_exit(0);
}

static void obey(struct svc *svc, char **args)
{
	struct sigaction action = {.sa_handler = leave};

	if (sigaction(svc_signal(args[0]), &action, NULL) < 0)
		svc_die(args[0]);
}

static void eat(struct svc *svc, char **args)
{
	size_t size = svc_number(args[0], 1, 1u << 20) << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		svc_die("mmap");
	memset(memory, 1, size);
}

static int append_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		svc_die(path);
	return fd;
}

static void note_clock(struct svc *svc, char **args)
{
	int fd = append_to(args[0]);

	dprintf(fd, "%llu\n", (unsigned long long)now_ns());
	close(fd);
}

/* The lock lives as long as the process: its descriptor is not closed. */
static void alone(struct svc *svc, char **args)
{
	char met[4096];

	if (flock(append_to(args[0]), LOCK_EX | LOCK_NB) == 0)
		return;
	snprintf(met, sizeof(met), "%s.met", args[0]);
	dprintf(append_to(met), "%d\n", (int)getpid());
}

static const struct svc_step own_steps[] = {
	{"say", "TEXT", "a line of its own", 1, 1, say},
	{"env", "NAME", "says NAME=value", 1, 1, environment},
	{"lines", "COUNT [RATE [WIDTH]]",
         "numbered lines (COUNT 0: for ever), RATE a second (0: flat out), filled up to WIDTH", 1,
         3, lines},
	{"stamps", "MS", "for ever, each MS, a line with the monotonic time in nanoseconds", 1, 1,
         stamps},
	{"line", "BYTES", "so many letters without a newline", 1, 1, line},
	{"binary", "BYTES [SEED]", "pseudo-random bytes, the same for the same SEED", 1, 2, binary},
	{"stream", "out|err|both", "where output goes from here on; both: lines in turn", 1, 1,
         stream},
	{"chunk", "BYTES", "from here on, gather output into writes of at least BYTES", 1, 1,
         chunk},
	{"ledger", "FILE",
         "count starts, ends, lines and bytes in FILE (struct svc_ledger in svc.h); line numbers "
         "go on "
         "where FILE says",
         1, 1, ledger},
	{"sleep", "MS", "do nothing for so long", 1, 1, sleep_ms},
	{"wait", "", "until a signal; answers on the ports it listens on", 0, 0, wait_forever},
	{"exit", "CODE", "end", 1, 1, exit_with},
	{"die", "SIGNAL", "end by a signal (KILL, SEGV, …, or its number)", 1, 1, die_by},
	{"ignore", "SIGNAL", "from here on, in children too", 1, 1, ignore},
	{"obey", "SIGNAL", "exit 0 on this signal from here on", 1, 1, obey},
	{"eat", "MIB", "so much memory, touched", 1, 1, eat},
	{"clock", "FILE", "add the time to FILE (CLOCK_MONOTONIC, ns)", 1, 1, note_clock},
	{"alone", "FILE", "lock FILE; whoever finds it locked adds its pid to FILE.met", 1, 1,
         alone},
	{0},
};

/* --- the command line --- */

static const struct svc_step *const all_steps[] = {own_steps, svc_process_steps, svc_socket_steps};

#define TABLES (sizeof(all_steps) / sizeof(all_steps[0]))

static void usage(int fd)
{
	dprintf(fd, "svc STEP [, STEP]...\n\nThe service of the tests does its steps in order and "
	            "exits 0 after the last one.\n\n");
	for (size_t table = 0; table < TABLES; table++)
		for (const struct svc_step *step = all_steps[table]; step->name; step++)
			dprintf(fd, "  %s%s%s\n        %s\n", step->name, *step->args ? " " : "",
			        step->args, step->what);
	dprintf(fd, "  repeat\n        from the first step again\n");
}

static const struct svc_step *find_step(const char *name)
{
	for (size_t table = 0; table < TABLES; table++)
		for (const struct svc_step *step = all_steps[table]; step->name; step++)
			if (strcmp(step->name, name) == 0)
				return step;
	return NULL;
}

/* Runs the step whose words are `words`; a NULL ends them. */
static void run_step(struct svc *svc, char **words)
{
	const struct svc_step *step = find_step(words[0]);
	int args = 0;

	while (words[1 + args])
		args++;
	if (!step || args < step->min_args || args > step->max_args) {
		dprintf(STDERR_FILENO, "svc: `%s` with %d arguments is no step; see `svc --help`\n",
		        words[0], args);
		_exit(2);
	}
	step->run(svc, words + 1);
}

/* What `serve` waits for may come as soon as the service is seen to listen. */
static void block_awaited(int argc, char **argv)
{
	sigset_t awaited;

	sigemptyset(&awaited);
	for (int i = 1; i + 1 < argc; i++)
		if (argv[i] && argv[i + 1] && !argv[i - 1] && strcmp(argv[i], "serve") == 0)
			sigaddset(&awaited, svc_signal(argv[i + 1]));
	sigprocmask(SIG_BLOCK, &awaited, NULL);
}

int main(int argc, char **argv)
{
	struct svc svc = {.streams = {STDOUT_FILENO, STDERR_FILENO}, .nstreams = 1};
	int first = 1;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		usage(argc < 2 ? STDERR_FILENO : STDOUT_FILENO);
		return argc < 2 ? 2 : 0;
	}
	for (int i = 1; i <= argc; i++)
		if (i == argc || strcmp(argv[i], ",") == 0)
			argv[i] = NULL;
	argv[0] = NULL;
	block_awaited(argc, argv);
	for (;;) {
		int end = first;

		while (argv[end])
			end++;
		if (end == first) {
			dprintf(STDERR_FILENO, "svc: an empty step\n");
			return 2;
		}
		if (strcmp(argv[first], "repeat") == 0) {
			first = 1;
			continue;
		}
		run_step(&svc, argv + first);
		if (end == argc)
			svc_exit(&svc, 0);
		first = end + 1;
	}
}
