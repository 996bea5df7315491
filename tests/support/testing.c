/*
 * What base/testing.h does in the programs of tests.
 *
 *   LOCALD_FAULT=spec.written:kill,state.write:enospc@3   at that point: SIGKILL; the third time:
 * ENOSPC LOCALD_FAULT_LOG=FILE                                  each point that is passed adds its
 * name; with it a fault happens in one process only, which makes FILE.done LOCALD_TEST_TIMESCALE=20
 * the supervisor's time goes 20 times as fast
 */
#include "base/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POINTS_MAX 64

static struct {
	const char *name;
	unsigned long passed;
} points[POINTS_MAX];

static const struct {
	const char *name;
	int error;
} errors[] = {{"enospc", ENOSPC}, {"eio", EIO}, {"emfile", EMFILE}, {"enomem", ENOMEM}};

static void complain(const char *what, const char *text)
{
	dprintf(STDERR_FILENO, "%s: %s\n", what, text);
	abort();
}

static unsigned long count(const char *name)
{
	for (size_t i = 0; i < POINTS_MAX; i++) {
		if (!points[i].name)
			points[i].name = name;
		if (strcmp(points[i].name, name) == 0)
			return ++points[i].passed;
	}
	complain("too many points", name);
	return 0;
}

static void record(const char *name)
{
	const char *path = getenv("LOCALD_FAULT_LOG");
	int fd;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || dprintf(fd, "%s\n", name) < 0)
		complain("LOCALD_FAULT_LOG", strerror(errno));
	close(fd);
}

/* What LOCALD_FAULT says of this point when it is passed for the `passed`-th time; NULL: nothing.
 */
static const char *asked(const char *name, unsigned long passed, char *action, size_t size)
{
	const char *item = getenv("LOCALD_FAULT");
	size_t len = strlen(name);

	for (; item && *item; item += strcspn(item, ","), item += *item == ',') {
		size_t action_len;
		unsigned long wanted = 1;

		if (strncmp(item, name, len) != 0 || item[len] != ':')
			continue;
		action_len = strcspn(item + len + 1, ",@");
		if (item[len + 1 + action_len] == '@')
			wanted = strtoul(item + len + 2 + action_len, NULL, 10);
		if (passed != wanted || action_len >= size)
			continue;
		memcpy(action, item + len + 1, action_len);
		action[action_len] = '\0';
		return action;
	}
	return NULL;
}

/* Of all the processes that inherit the variable, the first. */
static bool is_first(void)
{
	const char *log = getenv("LOCALD_FAULT_LOG");
	char path[4096];
	int fd;

	if (!log)
		return true;
	snprintf(path, sizeof(path), "%s.done", log);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int fault_errno(const char *name)
{
	char action[32];

	record(name);
	if (!asked(name, count(name), action, sizeof(action)) || !is_first())
		return 0;
	if (strcmp(action, "kill") == 0)
		kill(getpid(), SIGKILL);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, action) == 0)
			return errors[i].error;
	complain("LOCALD_FAULT: no such action", action);
	return 0;
}

void fault_point(const char *name)
{
	(void)fault_errno(name);
}

int64_t testing_timescale(void)
{
	const char *text = getenv("LOCALD_TEST_TIMESCALE");
	int64_t scale = text ? strtoll(text, NULL, 10) : 1;

	return scale > 0 ? scale : 1;
}
